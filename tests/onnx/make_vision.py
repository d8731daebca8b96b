#!/usr/bin/env python3
"""Writes data/vision.bin and data/refused.bin: operators of images, signals and movement.

    make_vision.py            (needs onnx 1.17, onnxruntime, numpy and Pillow)

Outputs come from ONNX Runtime, or where it has no such type or option from ONNX's reference
implementation.  vision.bin has the format of cases.bin (make_cases.py).  A case of refused.bin has no
outputs; its name begins with the code that opening or running it must end in.
"""
import io
import os
import struct

import numpy as np
import PIL.Image
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = os.path.dirname(os.path.abspath(__file__))
RNG = np.random.RandomState(11)
CASES, REFUSED = [], []


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


def kind(array):
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def model_of(op, inputs, outputs, constant, opset, attrs):
    names = ["i%d" % i if v is not None else "" for i, v in enumerate(inputs)]
    given = {n: np.asarray(v) for n, v in zip(names, inputs) if v is not None}
    free = {k: v for k, v in given.items() if int(k[1:]) not in constant}
    node = helper.make_node(op, names, ["o%d" % i for i in range(outputs)], **attrs)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info(k, kind(v), list(v.shape)) for k, v in free.items()],
        [helper.make_empty_tensor_value_info("o%d" % i) for i in range(outputs)],
        [numpy_helper.from_array(v, k) for k, v in given.items() if k not in free])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return model, free


def typed(model):
    """With the outputs' types, which ONNX Runtime wants."""
    inferred = onnx.shape_inference.infer_shapes(model)
    done = onnx.ModelProto()
    done.CopyFrom(inferred)
    return done


def answer(model, free, by):
    if by == "reference":
        return ReferenceEvaluator(model).run(None, free)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(typed(model).SerializeToString(), options,
                                               providers=["CPUExecutionProvider"])
        return session.run(None, free)
    except Exception:  # no such type or option there
        return ReferenceEvaluator(model).run(None, free)


def case(name, op, inputs, constant=(), opset=18, outputs=1, by="onnxruntime", want=None, **attrs):
    """One node; `constant` names the inputs that are initializers, None is an input left out."""
    model, free = model_of(op, inputs, outputs, constant, opset, attrs)
    try:
        made = want or answer(model, free, by)
    except Exception as problem:
        print("no answer for %s: %s" % (name, str(problem)[:200]))
        return
    CASES.append((name, model.SerializeToString(), free, {"o%d" % i: np.asarray(v) for i, v in enumerate(made)}))


def refused(code, name, op, inputs, constant=(), opset=18, outputs=1, **attrs):
    model, free = model_of(op, inputs, outputs, constant, opset, attrs)
    REFUSED.append(("%s: %s" % (code, name), model.SerializeToString(), free, {}))


# Windows.  ------------------------------------------------------------------------------------

def pools():
    x, line, volume = f32(2, 3, 9, 8), f32(2, 3, 17), f32(1, 2, 6, 7, 5)
    case("maxpool_indices", "MaxPool", [x], outputs=2, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    case("maxpool_columns", "MaxPool", [x], outputs=2, kernel_shape=[3, 2], storage_order=1)
    case("maxpool_dilated", "MaxPool", [x], outputs=2, kernel_shape=[3, 2], dilations=[2, 3], ceil_mode=1, strides=[2, 2])
    case("maxpool_1d", "MaxPool", [line], outputs=2, kernel_shape=[4], strides=[3])
    case("maxpool_3d", "MaxPool", [volume], outputs=2, kernel_shape=[2, 3, 2], strides=[2, 1, 2], auto_pad="SAME_LOWER")
    case("maxpool_u8", "MaxPool", [RNG.randint(0, 255, (1, 2, 6, 6)).astype(np.uint8)], kernel_shape=[3, 3], pads=[1] * 4)
    case("maxpool_i8", "MaxPool", [RNG.randint(-99, 99, (1, 2, 6, 6)).astype(np.int8)], kernel_shape=[2, 2])
    case("maxpool_f64", "MaxPool", [x.astype(np.float64)], kernel_shape=[2, 2])
    case("averagepool_f64", "AveragePool", [x.astype(np.float64)], by="reference", kernel_shape=[2, 2], pads=[0, 1, 0, 1])
    case("averagepool_3d_ceil", "AveragePool", [volume], opset=19, kernel_shape=[2, 3, 2], strides=[2, 2, 2], ceil_mode=1)
    case("averagepool_dilated", "AveragePool", [x], opset=19, kernel_shape=[2, 3], dilations=[2, 2], pads=[1, 1, 1, 1],
         count_include_pad=1)
    for p in (1, 2, 3):
        case("lppool_%d" % p, "LpPool", [x], kernel_shape=[3, 2], strides=[2, 1], p=p)
        case("globallppool_%d" % p, "GlobalLpPool", [x], p=p)
    case("lppool_1d", "LpPool", [line], kernel_shape=[4], strides=[3], pads=[1, 2])
    case("globalmaxpool_f64", "GlobalMaxPool", [x.astype(np.float64)])
    case("globalaveragepool_3d", "GlobalAveragePool", [volume])
    even = f32(2, 3, 8, 6)
    pooled, at = answer(*model_of("MaxPool", [even], 2, (), 12, {"kernel_shape": [2, 2], "strides": [2, 2]}), by="onnxruntime")
    case("maxunpool", "MaxUnpool", [pooled, at], kernel_shape=[2, 2], strides=[2, 2])
    refused("INPUT", "an index outside", "MaxUnpool", [pooled, at + 10 ** 6], kernel_shape=[2, 2], strides=[2, 2])
    refused("INPUT", "an index below zero", "MaxUnpool", [pooled, at - 10 ** 6], kernel_shape=[2, 2], strides=[2, 2])
    refused("INPUT", "windows that overflow", "MaxUnpool", [pooled, at], kernel_shape=[2, 2], strides=[2 ** 62, 2 ** 62])
    refused("INPUT", "a kernel of no elements", "MaxPool", [x], kernel_shape=[0, 2])
    refused("INPUT", "a kernel of other axes", "LpPool", [x], kernel_shape=[2])
    refused("INPUT", "a norm of order 0", "LpPool", [x], kernel_shape=[2, 2], p=0)
    refused("INPUT", "a dilation of 0", "MaxPool", [x], kernel_shape=[2, 2], dilations=[0, 1])
    for size, beta in ((1, 0.75), (2, 0.75), (5, 0.75), (9, 0.75), (3, 0.5)):
        v = f32(2, 7, 5, 4)
        near = [v[:, max(0, c - (size - 1) // 2):c + size // 2 + 1] for c in range(7)]
        squares = np.stack([(part ** 2).sum(1) for part in near], 1)
        case("lrn_%d" % size, "LRN", [v], size=size, alpha=0.3, bias=1.5, beta=beta,
             want=[(v / (1.5 + 0.3 / size * squares) ** beta).astype(np.float32)])
    refused("INPUT", "no neighbours", "LRN", [x], size=0)


def convolutions():
    for name, shape, weights, options in [
            ("1d", (2, 3, 7), (3, 4, 3), {"strides": [2], "output_padding": [1]}),
            ("2d", (2, 4, 5, 6), (4, 3, 3, 2), {"strides": [2, 3], "pads": [1, 0, 0, 1], "dilations": [1, 2]}),
            ("3d", (1, 2, 3, 4, 3), (2, 3, 2, 3, 2), {"strides": [2, 1, 2], "pads": [0, 1, 0, 1, 0, 1]}),
            ("groups", (1, 6, 4, 5), (6, 2, 3, 3), {"group": 3, "strides": [2, 2]}),
            ("depthwise", (1, 5, 4, 4), (5, 1, 2, 2), {"group": 5, "strides": [2, 2]}),
            ("same_upper", (1, 2, 4, 5), (2, 3, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
            ("unit", (1, 17, 9, 9), (17, 5, 1, 1), {})]:
        x, w, bias = f32(*shape), f32(*weights), f32(weights[1] * options.get("group", 1))
        case("convtranspose_" + name, "ConvTranspose", [x, w, bias], (1, 2), **options)
        case("convtranspose_%s_variable" % name, "ConvTranspose", [x, w, bias], **options)
    case("convtranspose_shape", "ConvTranspose", [x := f32(1, 2, 3, 3), w := f32(2, 3, 3, 3)], (1,), by="reference",
         strides=[3, 2], output_shape=[10, 8])
    case("convtranspose_f64", "ConvTranspose", [x.astype(np.float64), w.astype(np.float64)], by="reference")
    refused("INPUT", "weights of other channels", "ConvTranspose", [x, f32(3, 3, 3, 3)])
    refused("INPUT", "negative output padding", "ConvTranspose", [x, w], output_padding=[-9, 0])
    refused("INPUT", "pads beyond the output", "ConvTranspose", [x, w], pads=[9, 9, 9, 9])
    refused("LIMIT", "an output of impossible size", "ConvTranspose", [x, w], strides=[2 ** 31 - 1] * 2)
    refused("INPUT", "no groups", "ConvTranspose", [x, w], group=0)
    refused("INPUT", "strides beyond 32 bits", "ConvTranspose", [x, w], strides=[2 ** 40, 1])
    x, w = f32(2, 4, 6, 7), f32(6, 2, 3, 2)
    offset, mask = f32(2, 2 * 2 * 6, 6, 7), f32(2, 2 * 6, 6, 7)
    case("deformconv", "DeformConv", [x, w, offset, f32(6), mask], opset=19, by="reference", pads=[1, 0, 1, 1], group=2,
         offset_group=2, kernel_shape=[3, 2])
    refused("INPUT", "offsets of another shape", "DeformConv", [x, w, offset[:, 1:]], opset=19, pads=[1, 0, 1, 1], group=2,
            offset_group=2)
    case("conv_f64", "Conv", [x.astype(np.float64), f32(3, 4, 3, 3).astype(np.float64)], by="reference", pads=[1] * 4)
    for block in (2, 3):
        deep = f32(2, 2 * block * block, 3, 4)
        for mode in ("DCR", "CRD"):
            case("depth_to_space_%s_%d" % (mode, block), "DepthToSpace", [deep], blocksize=block, mode=mode)
        case("space_to_depth_%d" % block, "SpaceToDepth", [f32(2, 3, 4 * block, 2 * block)], blocksize=block)
    case("depth_to_space_u8", "DepthToSpace", [deep.astype(np.uint8)], blocksize=3)
    refused("INPUT", "channels that do not divide", "DepthToSpace", [f32(1, 5, 2, 2)], blocksize=2)
    refused("INPUT", "a block of nothing", "SpaceToDepth", [deep], blocksize=0)
    columns = f32(2, 3 * 4, 20)
    case("col2im", "Col2Im", [columns, i64(5, 6), i64(2, 2)], (1, 2))
    case("col2im_all", "Col2Im", [f32(1, 2 * 6, 9), i64(5, 9), i64(3, 2)], (1, 2), pads=[1, 0, 1, 0], dilations=[1, 3],
         strides=[2, 2], by="reference")
    refused("INPUT", "columns of another image", "Col2Im", [columns, i64(6, 6), i64(2, 2)], (1, 2))
    refused("INPUT", "an image of negative size", "Col2Im", [columns, i64(-5, 6), i64(2, 2)], (1, 2))
    refused("INPUT", "a block whose size overflows", "Col2Im", [columns, i64(5, 6), i64(2 ** 31 - 1, 2 ** 40)], (1, 2))


# Sampling.  -----------------------------------------------------------------------------------

def resizes():
    x = f32(1, 2, 7, 9)
    none = np.zeros(0, np.float32)
    for mode in ("nearest", "linear", "cubic"):
        for how in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"):
            sizes = i64(1, 2, 10, 5) if mode != "nearest" else i64(1, 2, 13, 4)
            case("resize_%s_%s" % (mode, how), "Resize", [x, None, None, sizes], (3,), opset=19, mode=mode,
                 coordinate_transformation_mode=how)
    for how in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        case("resize_" + how, "Resize", [x, none, np.float32([1, 1, 1.7, 0.6])], (1, 2), opset=13, nearest_mode=how,
             coordinate_transformation_mode="asymmetric")
    case("resize_exclude", "Resize", [x, None, np.float32([1, 1, 0.6, 1.4])], (2,), mode="cubic", exclude_outside=1,
         cubic_coeff_a=-0.5)
    for mode in ("linear", "cubic"):
        case("resize_antialias_" + mode, "Resize", [x, None, None, i64(1, 2, 3, 4)], (3,), mode=mode, antialias=1)
        case("resize_antialias_up_" + mode, "Resize", [x, None, None, i64(1, 2, 9, 4)], (3,), mode=mode, antialias=1)
    roi = np.float32([0, 0, 0.3, 0.2, 1, 1, 0.9, 1.4])
    for mode in ("nearest", "linear"):
        case("resize_crop_" + mode, "Resize", [x, roi, None, i64(1, 2, 4, 6)], (1, 3), mode=mode, extrapolation_value=7.5,
             coordinate_transformation_mode="tf_crop_and_resize")
    for mode in ("nearest", "linear", "cubic"):  # lengths of 4.2 and 12.6: ONNX Runtime rounds them first
        case("resize_corners_" + mode, "Resize", [x, None, np.float32([1, 1, 0.6, 1.4])], (2,), mode=mode,
             coordinate_transformation_mode="align_corners", by="reference")
    case("resize_axes", "Resize", [x, None, None, i64(5, 14)], (3,), mode="linear", axes=[3, 2])
    for policy in ("not_larger", "not_smaller"):
        case("resize_" + policy, "Resize", [x, None, None, i64(14, 20)], (3,), mode="nearest", axes=[2, 3],
             keep_aspect_ratio_policy=policy)
    case("resize_u8", "Resize", [RNG.randint(0, 255, (1, 3, 5, 4)).astype(np.uint8), None, None, i64(1, 3, 10, 8)], (3,),
         mode="nearest")
    case("resize_f64", "Resize", [x.astype(np.float64), None, None, i64(1, 2, 10, 8)], (3,), mode="linear", by="reference")
    case("resize_1d", "Resize", [f32(2, 3, 10), None, np.float32([1, 1, 2.5])], (2,), mode="linear")
    case("resize_3d", "Resize", [f32(1, 2, 3, 4, 5), None, None, i64(1, 2, 6, 3, 9)], (3,), mode="linear")
    case("resize_batch", "Resize", [f32(4, 3), None, None, i64(6, 5)], (3,), mode="linear")
    case("resize_10", "Resize", [x, np.float32([1, 1, 2, 2])], (1,), opset=10, mode="nearest")
    case("resize_10_linear", "Resize", [x, np.float32([1, 1, 2, 1.5])], (1,), opset=10, mode="linear")
    case("upsample_9", "Upsample", [x, np.float32([1, 1, 2, 3])], (1,), opset=9, mode="linear")
    case("upsample_7", "Upsample", [x], opset=7, mode="nearest", scales=[1.0, 1.0, 2.0, 3.0])
    case("resize_same", "Resize", [x, None, None, i64(1, 2, 7, 9)], (3,), mode="linear")
    case("resize_empty", "Resize", [x, None, None, i64(1, 2, 0, 9)], (3,), mode="linear",
         want=[np.zeros((1, 2, 0, 9), np.float32)])
    refused("INPUT", "a negative size", "Resize", [x, None, None, i64(1, 2, -3, 4)], (3,))
    refused("INPUT", "a size beyond all", "Resize", [x, None, None, i64(1, 2, 2 ** 62, 4)], (3,))
    refused("LIMIT", "sizes whose product overflows", "Resize", [x, None, None, i64(2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1, 4)],
            (3,))
    refused("INPUT", "a scale of zero", "Resize", [x, None, np.float32([1, 1, 0, 1])], (2,))
    refused("INPUT", "a scale below zero", "Resize", [x, None, np.float32([1, 1, -2, 1])], (2,))
    refused("INPUT", "a scale that is no number", "Resize", [x, None, np.float32([1, 1, np.nan, 1])], (2,))
    refused("INPUT", "a huge scale", "Resize", [x, None, np.float32([1, 1, 1e30, 1])], (2,))
    refused("INPUT", "too few sizes", "Resize", [x, None, None, i64(1, 2, 3)], (3,))
    refused("INPUT", "neither scales nor sizes", "Resize", [x])
    refused("INPUT", "a huge region", "Resize", [x, roi * np.float32(1e30), None, i64(1, 2, 4, 6)], (1, 3),
            coordinate_transformation_mode="tf_crop_and_resize")
    refused("INPUT", "something made of nothing", "Resize", [f32(1, 2, 0, 9), None, None, i64(1, 2, 5, 9)], (3,))
    refused("INPUT", "an axis twice", "Resize", [x, None, None, i64(5, 9)], (3,), axes=[2, -2])
    refused("UNSUPPORTED", "another mode", "Resize", [x, None, None, i64(1, 2, 5, 9)], (3,), mode="lanczos")
    refused("MEMORY", "more memory than there may be", "Resize", [x, None, None, i64(1, 2, 2 ** 30, 2 ** 12)], (3,))


def grids():
    x, grid = f32(2, 3, 5, 6), (f32(2, 4, 7, 2) * 0.8).astype(np.float32)
    grid[0, 0, 0] = [3, -40]
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            for align in (0, 1):
                case("gridsample_%s_%s_%d" % (mode, padding, align), "GridSample", [x, grid], opset=16, mode=mode,
                     padding_mode=padding, align_corners=align)
    volume, places = f32(1, 2, 3, 4, 5), (f32(1, 2, 3, 4, 3) * 0.8).astype(np.float32)
    for mode in ("linear", "nearest"):
        case("gridsample_3d_" + mode, "GridSample", [volume, places], opset=20, mode=mode, padding_mode="border")
    case("gridsample_cubic_f64", "GridSample", [x.astype(np.float64), grid.astype(np.float64)], opset=20, mode="cubic")
    odd = np.float32([np.nan, np.inf, -np.inf, 1e30]).reshape(1, 1, 2, 2)
    case("gridsample_odd_places", "GridSample", [x[:1], odd], opset=20, want=[np.zeros((1, 3, 1, 2), np.float32)])
    refused("INPUT", "a grid of other places", "GridSample", [x, f32(2, 4, 7, 3)], opset=20)
    refused("INPUT", "an image without elements", "GridSample", [f32(2, 3, 0, 6), grid], opset=20)
    refused("INPUT", "an unknown padding", "GridSample", [x, grid], opset=20, padding_mode="wrap")
    theta = f32(2, 2, 3)
    for align in (0, 1):
        case("affine_grid_%d" % align, "AffineGrid", [theta, i64(2, 3, 4, 5)], (1,), opset=20, align_corners=align)
        case("affine_grid_3d_%d" % align, "AffineGrid", [f32(1, 3, 4), i64(1, 3, 2, 4, 5)], (1,), opset=20,
             align_corners=align)
    refused("INPUT", "a matrix for other axes", "AffineGrid", [theta, i64(2, 3, 4, 5, 6)], (1,), opset=20)
    refused("LIMIT", "a grid of negative size", "AffineGrid", [theta, i64(2, 3, -4, 5)], (1,), opset=20)
    boxes = np.float32([[1, 2, 8, 9], [-3, 0, 30, 4], [5, 5, 5.5, 5.25], [9, 9, 2, 2]])
    which, map_ = i64(0, 1, 1, 0), f32(2, 3, 10, 12)
    for how in ("half_pixel", "output_half_pixel"):
        for mode in ("avg", "max"):
            case("roialign_%s_%s" % (how, mode), "RoiAlign", [map_, boxes[:3], which[:3]], opset=16, mode=mode,
                 coordinate_transformation_mode=how, output_height=3, output_width=2, spatial_scale=0.8, sampling_ratio=2)
    case("roialign_adaptive", "RoiAlign", [map_, boxes[:3], which[:3]], opset=16, output_height=3, output_width=2)
    case("roialign_10", "RoiAlign", [map_, boxes, which], opset=10, output_height=2, output_width=2)
    refused("INPUT", "a rectangle of no image", "RoiAlign", [map_, boxes, i64(0, 1, 2, 0)])
    refused("INPUT", "a rectangle of an image below zero", "RoiAlign", [map_, boxes, i64(0, -1, 1, 0)])
    refused("INPUT", "a huge rectangle", "RoiAlign", [map_, boxes * np.float32(1e6), which])
    refused("INPUT", "an endless rectangle", "RoiAlign", [map_, boxes * np.float32(np.inf), which])
    refused("INPUT", "a pool of negative size", "RoiAlign", [map_, boxes, which], output_height=-2)
    refused("INPUT", "too many samples", "RoiAlign", [map_, boxes, which], sampling_ratio=1 << 40)
    rois = np.float32([[0, 1, 2, 8, 9], [1, -3, 0, 30, 4], [1, 5, 5, 5, 5]])
    case("maxroipool", "MaxRoiPool", [map_, rois], pooled_shape=[3, 2], spatial_scale=0.9)
    refused("INPUT", "a rectangle of image 7", "MaxRoiPool", [map_, rois + np.float32(7)], pooled_shape=[2, 2])
    refused("INPUT", "a rectangle that is no number", "MaxRoiPool", [map_, rois * np.float32([1, np.nan, 1, 1, 1])],
            pooled_shape=[2, 2])


def boxes():
    n = 40
    corner = RNG.random_sample((2, n, 2)) * 10
    rects = np.concatenate([corner, corner + RNG.random_sample((2, n, 2)) * 4], -1).astype(np.float32)
    scores = RNG.random_sample((2, 3, n)).astype(np.float32)
    every = (0, 1, 2, 3, 4)
    case("nms", "NonMaxSuppression", [rects, scores, i64(6), np.float32([0.4]), np.float32([0.3])], every)
    case("nms_centred", "NonMaxSuppression", [rects, scores, i64(100), np.float32([0.2])], every, center_point_box=1)
    case("nms_none", "NonMaxSuppression", [rects, scores], every)
    case("nms_flipped", "NonMaxSuppression", [rects[..., [2, 1, 0, 3]], scores, i64(100), np.float32([0.5])], every)
    case("nms_negative", "NonMaxSuppression", [rects, scores, i64(-3), np.float32([0.5])], every)
    refused("INPUT", "an overlap of two", "NonMaxSuppression", [rects, scores, i64(6), np.float32([2])], every)
    refused("INPUT", "scores of other boxes", "NonMaxSuppression", [rects, scores[..., 1:], i64(6)], every)
    refused("INPUT", "an overlap that is no number", "NonMaxSuppression", [rects, scores, i64(6), np.float32([np.nan])], every)


# Signals.  ------------------------------------------------------------------------------------

def signals():
    for n in (1, 2, 5, 8, 12, 17, 64):
        case("dft_%d" % n, "DFT", [f32(2, n, 1)], opset=17, axis=1)
        case("dft_complex_%d" % n, "DFT", [f32(2, n, 3, 2), None, np.int64(1)], (2,), opset=20, inverse=1)
        case("dft_onesided_%d" % n, "DFT", [f32(2, n, 1)], opset=17, axis=1, onesided=1)
    case("dft_longer", "DFT", [f32(2, 5, 1), np.int64(9)], (1,), opset=17, axis=1)
    case("dft_shorter", "DFT", [f32(2, 9, 2), np.int64(6)], (1,), opset=17, axis=1)
    case("dft_f64", "DFT", [f32(1, 10, 1).astype(np.float64)], opset=17, axis=1)
    refused("INPUT", "a transform of no points", "DFT", [f32(2, 5, 1), np.int64(0)], (1,), opset=17)
    refused("LIMIT", "a transform without end", "DFT", [f32(2, 5, 1), np.int64(2 ** 60)], (1,), opset=17)
    refused("INPUT", "a transform of triples", "DFT", [f32(2, 5, 3)], opset=17)
    refused("INPUT", "a transform along the parts", "DFT", [f32(2, 5, 2)], opset=17, axis=2)
    signal = f32(2, 100, 1)
    window = np.hanning(16).astype(np.float32)
    case("stft", "STFT", [signal, np.int64(7), window], (1,), opset=17)
    case("stft_length", "STFT", [signal, np.int64(8), None, np.int64(20)], (1, 3), opset=17, onesided=0)
    refused("INPUT", "steps of nothing", "STFT", [signal, np.int64(0), window], (1,), opset=17)
    refused("INPUT", "frames longer than the signal", "STFT", [signal, np.int64(5), None, np.int64(101)], (1, 3), opset=17)
    refused("INPUT", "a window of another length", "STFT", [signal, np.int64(5), window, np.int64(20)], (1, 3), opset=17)
    every = (0, 1, 2, 3, 4)
    case("mel", "MelWeightMatrix", [np.int64(8), np.int64(64), np.int64(8000), np.float32(0), np.float32(4000)], every, opset=17)
    case("mel_f64", "MelWeightMatrix", [np.int32(40), np.int32(32), np.int32(16000), np.float32(20), np.float32(7000)], every,
         opset=17, output_datatype=11)
    refused("INPUT", "no bins", "MelWeightMatrix",
            [np.int64(0), np.int64(64), np.int64(8000), np.float32(0), np.float32(4000)], every, opset=17)
    refused("INPUT", "a rate of nothing", "MelWeightMatrix",
            [np.int64(8), np.int64(64), np.int64(0), np.float32(0), np.float32(4000)], every, opset=17)
    refused("INPUT", "edges that are no numbers", "MelWeightMatrix",
            [np.int64(8), np.int64(64), np.int64(8000), np.float32(np.nan), np.float32(4000)], every, opset=17)
    for name in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        for periodic in (0, 1):
            case("%s_%d" % (name.lower(), periodic), name, [np.int64(9)], (0,), opset=17, periodic=periodic)
        case(name.lower() + "_f64", name, [np.int32(1)], (0,), opset=17, output_datatype=11)
    refused("INPUT", "a window of negative length", "HannWindow", [np.int64(-1)], (0,), opset=17)


# Selection and places.  -----------------------------------------------------------------------

def selections():
    x = RNG.randint(-2, 3, (3, 4, 5))
    every = (0, 1)
    for dtype in (np.float32, np.int64, np.bool_, np.uint8):
        case("nonzero_" + np.dtype(dtype).name, "NonZero", [x.astype(dtype)], every, opset=13)
    case("nonzero_scalar", "NonZero", [np.float32(3)], every, opset=13, want=[np.zeros((0, 1), np.int64)])
    case("nonzero_negative_zero", "NonZero", [np.float32([0, -0.0, 1e-40, np.nan])], every, opset=13)
    condition = np.array([True, False, True])
    case("compress", "Compress", [x, condition], (1,), opset=11, axis=1)
    case("compress_flat", "Compress", [x, condition], (1,), opset=11)
    refused("INPUT", "more conditions than elements", "Compress", [x, np.array([True] * 4)], (1,), opset=11, axis=0)
    for dtype in (np.float32, np.int64, np.int8):
        for sort in (0, 1):
            case("unique_%s_%d" % (np.dtype(dtype).name, sort), "Unique", [x.astype(dtype)], every, opset=11, outputs=4,
                 sorted=sort)
    pairs = RNG.randint(0, 2, (9, 2, 2)).astype(np.float32)
    case("unique_axis", "Unique", [pairs], every, opset=11, outputs=4, axis=0)
    case("unique_axis_first", "Unique", [pairs], every, opset=11, outputs=4, axis=0, sorted=0)
    case("unique_last", "Unique", [pairs.transpose(1, 2, 0).copy()], every, opset=11, outputs=4, axis=-1)
    lens = i64(1, 4, 0, 2)
    y = f32(4, 4, 3)
    case("reverse_time", "ReverseSequence", [y, lens], opset=10)
    case("reverse_batch", "ReverseSequence", [y, lens], opset=10, time_axis=1, batch_axis=0)
    refused("INPUT", "a sequence that is too long", "ReverseSequence", [y, i64(1, 5, 0, 2)], opset=10)
    refused("INPUT", "time along both axes", "ReverseSequence", [y, lens], opset=10, time_axis=1)
    f = f32(5, 6, 3)
    case("center_crop_pad", "CenterCropPad", [f, i64(8, 3, 4)], (1,), by="reference")
    case("center_crop_pad_axes", "CenterCropPad", [f, i64(1, 9)], (1,), axes=[-1, 0], by="reference")
    refused("INPUT", "a size below zero", "CenterCropPad", [f, i64(8, -3, 4)], (1,))
    refused("LIMIT", "a size beyond all", "CenterCropPad", [f, i64(2 ** 62, 3, 4)], (1,))
    case("pad_wrap", "Pad", [f, i64(1, 2, 0, 2, 3, 4)], (1,), opset=19, mode="wrap")
    case("pad_axes", "Pad", [f, i64(1, 2, 3, 0), np.float32(4), i64(-1, 0)], (1, 2, 3), opset=18)
    case("pad_i32", "Pad", [f.astype(np.int32), i64(1, -2, 0, 2, 3, 4), np.int32(-7)], (1, 2), opset=13)
    refused("INPUT", "pads that overflow", "Pad", [f, i64(2 ** 63 - 1, 0, 0, 1, 0, 0)], (1,))
    refused("INPUT", "pads that cut too much", "Pad", [f, i64(-4, 0, 0, -4, 0, 0)], (1,))


def places():
    x, index = f32(4, 5, 3), RNG.randint(-5, 5, (2, 6, 3))
    for how in ("none", "add", "mul", "min", "max"):
        for dtype in (np.float32, np.int32, np.float64):
            values = (f32(2, 6, 3) * 9).astype(dtype)
            at = index if how != "none" else np.stack([RNG.permutation(5) for _ in range(6)]).reshape(2, 3, 5).transpose(0, 2, 1)
            updates = values[:, :at.shape[1]] if how != "none" else (f32(2, 5, 3) * 9).astype(dtype)
            case("scatterelements_%s_%s" % (how, np.dtype(dtype).name), "ScatterElements", [(x * 9).astype(dtype), at, updates],
                 axis=1, reduction=how)
            tuples = i64(1, 2, 3, 4, -4, 0, 1, 2).reshape(4, 2) if how != "none" else i64(1, 2, 3, 4, -4, 0).reshape(3, 2)
            case("scatternd_%s_%s" % (how, np.dtype(dtype).name), "ScatterND",
                 [(x * 9).astype(dtype), tuples, (f32(len(tuples), 3) * 9).astype(dtype)], reduction=how)
    scattered, updates = x.copy(), f32(1, 1, 3)
    scattered[0, [4, 0, 1], [0, 1, 2]] = updates[0, 0]
    case("scatter_9", "Scatter", [x, np.int32([[[4, 0, 1]]]), updates], opset=9, axis=1, want=[scattered])
    case("scatterelements_last", "ScatterElements", [x, RNG.randint(0, 3, (4, 5, 1)), f32(4, 5, 1)], axis=-1)
    case("gatherelements_i32", "GatherElements", [x, RNG.randint(-4, 4, (7, 5, 2)).astype(np.int32)], opset=13, axis=0)
    for batch, shape in ((1, (4, 2, 1)), (2, (4, 5, 6, 1)), (1, (4, 2))):
        tuples = RNG.randint(0, 3, shape)
        case("gathernd_batch_%d_%d" % (batch, len(shape)), "GatherND", [x, tuples], opset=13, batch_dims=batch)
    outside = RNG.randint(0, 3, (2, 6, 3))
    outside[1, 5, 2] = 5
    refused("INPUT", "an index outside of the axis", "ScatterElements", [x, outside, f32(2, 6, 3)], axis=1)
    refused("INPUT", "a tuple outside of the axes", "ScatterND", [x, i64(1, 5).reshape(1, 2), f32(1, 3)])
    refused("INPUT", "a tuple far below zero", "ScatterND", [x, i64(-2 ** 63, 0).reshape(1, 2), f32(1, 3)], reduction="add")
    refused("INPUT", "tuples of too many numbers", "ScatterND", [x, i64(1, 1, 1, 1).reshape(1, 4), f32(1)])
    refused("INPUT", "too many updates", "ScatterND", [x, i64(1, 2).reshape(1, 2), f32(2, 3)])
    refused("UNSUPPORTED", "an unknown reduction", "ScatterND", [x, i64(1, 2).reshape(1, 2), f32(1, 3)], reduction="xor")
    refused("UNSUPPORTED", "a sum of truths", "ScatterND", [x > 0, i64(1, 2).reshape(1, 2), f32(1, 3) > 0], reduction="add")
    refused("INPUT", "an index outside", "GatherElements", [x, i64(1, 5).reshape(1, 2, 1)], opset=13, axis=1)
    refused("INPUT", "a batch of another size", "GatherND", [x, i64(1, 2).reshape(2, 1)], opset=13, batch_dims=1)
    refused("INPUT", "a batch of more axes than there are", "GatherND", [x, i64(1, 2).reshape(2, 1)], opset=13, batch_dims=9)
    parts = f32(7, 3)
    case("split_uneven", "Split", [parts], outputs=3, num_outputs=3)
    refused("INPUT", "parts of other outputs", "Split", [parts], outputs=3, num_outputs=2)


def norms():
    x = f32(2, 3, 4, 5)
    scale, bias, mean, var = f32(3), f32(3), f32(3), abs(f32(3)) + np.float32(0.2)
    case("batchnorm_training", "BatchNormalization", [x, scale, bias, mean, var], outputs=3, opset=15, training_mode=1,
         momentum=0.7)
    wide = [v.astype(np.float64) for v in (x, scale, bias, mean, var)]
    case("batchnorm_f64", "BatchNormalization", wide, opset=15)
    case("instancenorm_f64", "InstanceNormalization", wide[:3], opset=6, by="reference")
    case("instancenorm_1d", "InstanceNormalization", [x[:, :, 0].copy(), scale, bias], opset=6)
    for axis in (-1, 1, 0):
        size = x.shape[axis:]
        case("layernorm_%d" % axis, "LayerNormalization", [x, f32(*size), f32(*size)], outputs=3, opset=17, axis=axis)
    case("layernorm_broadcast", "LayerNormalization", [x, f32(4, 1), f32(5)], opset=17, axis=2, by="reference")
    case("layernorm_plain", "LayerNormalization", [x, f32(5)], opset=17, epsilon=0.1)
    case("layernorm_f64", "LayerNormalization", [wide[0], f32(5).astype(np.float64)], opset=17, by="reference")
    y = f32(2, 6, 3, 3)
    case("groupnorm_18", "GroupNormalization", [y, f32(3), f32(3)], opset=18, num_groups=3, by="reference")
    case("groupnorm_21", "GroupNormalization", [y, f32(6), f32(6)], opset=21, num_groups=2)
    for p in (1, 2):
        case("lpnorm_%d" % p, "LpNormalization", [x], opset=13, p=p, axis=2)
    case("lpnorm_f64", "LpNormalization", [wide[0]], opset=13, by="reference")
    refused("INPUT", "a scale of other channels", "BatchNormalization", [x, f32(4), bias, mean, var], opset=15)
    refused("INPUT", "a scale that does not broadcast", "LayerNormalization", [x, f32(3)], opset=17)
    refused("INPUT", "groups that do not divide", "GroupNormalization", [y, f32(6), f32(6)], opset=21, num_groups=4)
    refused("INPUT", "no groups", "GroupNormalization", [y, f32(6), f32(6)], opset=21, num_groups=0)
    refused("INPUT", "a norm of order 3", "LpNormalization", [x], opset=13, p=3)
    case("dropout_mask", "Dropout", [x, np.float32(0.3)], (1,), outputs=2, opset=13)
    case("dropout_mask_10", "Dropout", [x], outputs=2, opset=10, ratio=0.2)
    case("dropout_of_nothing", "Dropout", [x, np.float32(0), np.bool_(True)], (1, 2), outputs=2, opset=13)
    for opset, attrs, b in ((6, {"broadcast": 1, "axis": 1}, f32(3, 4)), (6, {"broadcast": 1}, f32(4, 5)), (6, {}, x)):
        case("add_6_%d" % len(attrs), "Add", [x, b], opset=opset,
             want=[x + (b[..., None] if "axis" in attrs else b)], **attrs)
    case("prelu_6", "PRelu", [x, scale], opset=6, want=[np.where(x < 0, x * scale[:, None, None], x)])
    refused("INPUT", "axes beyond the first input's", "Add", [x, f32(4, 5, 6)], opset=6, broadcast=1, axis=2)


def pictures():
    rgb = RNG.randint(0, 256, (9, 7, 3)).astype(np.uint8)
    smooth = np.add.outer(np.arange(16) * 6, np.arange(24) * 5)[..., None] + np.array([0, 20, 40])
    for name, image, kind in (("png", rgb, "PNG"), ("bmp", rgb, "BMP"), ("pnm", rgb, "PPM"),
                              ("jpeg", smooth.clip(0, 255).astype(np.uint8), "JPEG"), ("pgm", rgb[..., 0], "PPM")):
        stream = io.BytesIO()
        PIL.Image.fromarray(image).save(stream, kind)
        file = np.frombuffer(stream.getvalue(), np.uint8)
        decoded = PIL.Image.open(stream).convert("RGB")
        case("image_%s_rgb" % name, "ImageDecoder", [file], (0,), opset=20, want=[np.asarray(decoded)])
        case("image_%s_bgr" % name, "ImageDecoder", [file], (0,), opset=20, pixel_format="BGR",
             want=[np.asarray(decoded)[..., ::-1]])
        case("image_%s_grey" % name, "ImageDecoder", [file], (0,), opset=20, pixel_format="Grayscale",
             want=[np.asarray(decoded.convert("L"))[..., None]])
        for cut in (1, 2, 10, 30, len(file) - 9):
            refused("INPUT", "%s of %d bytes" % (name, cut), "ImageDecoder", [file[:cut]], (0,), opset=20)
        if name in ("bmp", "pnm", "pgm"):
            with open(os.path.join(HERE, "..", "..", "fuzz", "corpus", "image", name), "wb") as seed:
                seed.write(stream.getvalue())
    palette = PIL.Image.fromarray(rgb).convert("P")
    stream = io.BytesIO()
    palette.save(stream, "BMP")
    file = np.frombuffer(stream.getvalue(), np.uint8).copy()
    case("image_bmp_palette", "ImageDecoder", [file], (0,), opset=20, want=[np.asarray(palette.convert("RGB"))])
    file[46:50] = [1, 0, 0, 0]
    refused("INPUT", "a colour beyond the palette", "ImageDecoder", [file], (0,), opset=20)
    file[18:26] = 255
    refused("INPUT", "a picture of negative width", "ImageDecoder", [file], (0,), opset=20)
    file[18:26] = [255, 255, 255, 127] * 2
    refused("LIMIT", "a picture of 2^31 columns", "ImageDecoder", [file], (0,), opset=20)
    for text in (b"P6 3 3 255 ", b"P6 99999 99999 255 ", b"P3 1 1 255 1 2", b"P5 2 2 0 ", b"P2 1 1 9 x", b"P6 #"):
        refused("INPUT", "the PNM %r" % text, "ImageDecoder", [np.frombuffer(text, np.uint8)], (0,), opset=20)
    refused("INPUT", "another order of colours", "ImageDecoder", [file], (0,), opset=20, pixel_format="YUV")


# Convolutions in a row, as MobileNet has them: fused into one.  -------------------------------

def chain(label, steps, shape, residual):
    """steps: (channels, kernel, stride, group, activation or None)."""
    nodes, constants, value, channels = [], [], "i0", shape[1]
    for i, (out, size, stride, group, act) in enumerate(steps):
        for name, array in (("w%d" % i, f32(out, channels // group, size, size) / size), ("b%d" % i, f32(out))):
            constants.append(numpy_helper.from_array(array, name))
        nodes.append(helper.make_node("Conv", [value, "w%d" % i, "b%d" % i], ["c%d" % i], group=group,
                                      strides=[stride] * 2, pads=[size // 2] * 4))
        value, channels = "c%d" % i, out
        if act == "Clip":
            constants += [numpy_helper.from_array(np.float32(v), "%s%d" % (n, i)) for n, v in (("low", 0), ("high", 6))]
            nodes.append(helper.make_node("Clip", [value, "low%d" % i, "high%d" % i], ["a%d" % i]))
        elif act:
            nodes.append(helper.make_node(act, [value], ["a%d" % i]))
        value = "a%d" % i if act else value
    if residual:
        nodes.append(helper.make_node("Add", ["i0", value], ["sum"]))
        value = "sum"
    nodes.append(helper.make_node("Identity", [value], ["o0"]))
    given = {"i0": f32(*shape)}
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("i0", 1, list(shape))],
                              [helper.make_empty_tensor_value_info("o0")], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    CASES.append((label, model.SerializeToString(), given, {"o0": answer(model, given, "onnxruntime")[0]}))


def scaled(label, op, factor, biased):
    """A scale after a convolution, a sum and an activation."""
    given = {"i0": f32(2, 40, 7, 6)}
    constants = [numpy_helper.from_array(v, k) for k, v in
                 (("w", f32(40, 40, 1, 1)), ("b", f32(40)), ("k", np.array(factor, np.float32)))]
    nodes = [helper.make_node("Conv", ["i0", "w", "b"] if biased else ["i0", "w"], ["c"]),
             helper.make_node(op, ["c", "k"], ["s"]), helper.make_node("Add", ["i0", "s"], ["sum"]),
             helper.make_node("Relu", ["sum"], ["o0"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("i0", 1, [2, 40, 7, 6])],
                              [helper.make_empty_tensor_value_info("o0")], constants if biased else constants[::2])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    CASES.append((label, model.SerializeToString(), given, {"o0": answer(model, given, "onnxruntime")[0]}))


def chains():
    chain("bottleneck", [(36, 1, 1, 1, "Clip"), (36, 3, 1, 36, "Clip"), (6, 1, 1, 1, None)], (1, 6, 14, 15), True)
    chain("bottleneck stride 2", [(20, 1, 1, 1, "Relu"), (20, 5, 2, 20, "HardSwish"), (9, 1, 1, 1, "Relu")],
          (2, 5, 13, 12), False)
    chain("separable", [(34, 3, 2, 34, "Relu"), (40, 1, 1, 1, "Relu")], (1, 34, 20, 21), False)
    chain("two in a row", [(12, 1, 1, 1, "Relu"), (12, 3, 1, 12, "Relu"), (12, 1, 1, 1, None), (12, 3, 1, 12, None),
                           (6, 1, 1, 1, None)], (1, 6, 9, 9), True)
    scaled("a scaled convolution", "Mul", 0.17, True)
    scaled("a divided convolution", "Div", 4, False)
    x64, w64 = RNG.standard_normal((2, 4, 9, 8)), RNG.standard_normal((6, 2, 3, 3))
    case("conv_f64", "Conv", [x64, w64, RNG.standard_normal(6)], (1, 2), group=2, pads=[1, 0, 2, 1], strides=[1, 2])


# Writing.  ------------------------------------------------------------------------------------

def piece(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def npy(array):
    stream = io.BytesIO()
    np.save(stream, np.require(array, requirements="C"))
    return stream.getvalue()


def write(name, cases):
    with open(os.path.join(HERE, "data", name), "wb") as out:
        for label, model, inputs, outputs in cases:
            out.write(piece(label) + piece(model))
            for tensors in (inputs, outputs):
                out.write(struct.pack("<I", len(tensors)))
                for port, array in tensors.items():
                    out.write(piece(port) + piece(npy(array)))
    print("%s: %d cases" % (name, len(cases)))


def main():
    for make in (pools, convolutions, resizes, grids, boxes, signals, selections, places, norms, pictures, chains):
        make()
    write("vision.bin", CASES)
    write("refused.bin", REFUSED)


main()
