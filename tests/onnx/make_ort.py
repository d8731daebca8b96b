#!/usr/bin/env python3
"""Makes data/recurrent.bin, ml.bin, microsoft.bin, joined.bin and spelled.bin: small models whose outputs are ONNX Runtime's,
and data/ml_refused.bin: models that must be refused.

    python3 tests/onnx/make_ort.py [recurrent] [ml] [ml_refused] [microsoft] [joined] [spelled]
        needs onnx, onnxruntime and numpy; `ml` also scikit-learn and skl2onnx

A file is a list of cases to its end: name and model, then inputs and outputs: how many, and for each its name and its
value, a .npy file or for strings "STR", rank (u8), dims (i64 each) and each string.  Strings and files have their
size (u32) in front; numbers are little-endian."""
import io
import math
import os
import struct
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = []
RNG = np.random.RandomState(11)
onnxruntime.set_default_logger_severity(4)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def kind(array):
    if array.dtype == object or array.dtype.kind in "US":
        return TensorProto.STRING
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def split_maps(values):
    """A map, or a list of maps with the same keys, is two arrays: its keys and its values."""
    out = {}
    for name, v in values.items():
        rows = v if isinstance(v, list) and v and isinstance(v[0], dict) else [v] if isinstance(v, dict) else None
        if rows is None:
            out[name] = v
            continue
        keys = list(rows[0])
        assert all(list(r) == keys for r in rows)
        table = [[r[k] for k in keys] for r in rows]
        text = isinstance(keys[0], str)
        out[name + ".keys"] = np.array(keys, dtype=object if text else np.int64)
        out[name + ".values"] = np.array(table if isinstance(v, list) else table[0], np.float32)
    return out


def add(name, model, inputs, wanted=None):
    """`wanted`: the names of outputs to compare; None is all."""
    raw = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(raw, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs() if wanted is None or o.name in wanted]
    outputs = session.run(names, inputs)
    CASES.append((name, raw, split_maps(inputs), split_maps(dict(zip(names, outputs)))))


def case(name, op, inputs, n_out=1, constant=(), opset=17, domain="", version=1, dynamic=False, skip=(), types=None,
         **attrs):
    """One node; `constant` names the inputs that are initializers, None is an input left out."""
    given = {"i%d" % i: np.asarray(v) for i, v in enumerate(inputs) if v is not None}
    made = ["" if i in skip else "o%d" % i for i in range(n_out)]
    node = helper.make_node(op, ["i%d" % i if v is not None else "" for i, v in enumerate(inputs)], made, domain=domain,
                            **attrs)
    fixed = {k: v for k, v in given.items() if int(k[1:]) in constant}
    free = {k: v for k, v in given.items() if k not in fixed}
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info(k, kind(v), [None] * v.ndim if dynamic else list(v.shape))
                      for k, v in free.items()],
        [onnx.ValueInfoProto(name=k) if types is None else helper.make_tensor_value_info(k, types[i], None)
         for i, k in enumerate(made) if k],
        [numpy_helper.from_array(v, k) for k, v in fixed.items()])
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, version)] if domain else [])
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 8
    add(name, model, free)


# RNN, GRU, LSTM.  -----------------------------------------------------------------------------

def layer(name, op, steps=5, rows=2, inputs=3, hidden=4, directions=1, bias=True, lens=None, state=True, peephole=False,
          constant=(1, 2, 3, 7), opset=14, outputs=None, **attrs):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[op]
    batch = attrs.get("layout", 0)
    scale = np.float32(1 / np.sqrt(hidden))
    x = f32(*((rows, steps, inputs) if batch else (steps, rows, inputs)))
    first = (rows, directions, hidden) if batch else (directions, rows, hidden)
    values = [x, f32(directions, gates * hidden, inputs) * scale, f32(directions, gates * hidden, hidden) * scale,
              f32(directions, 2 * gates * hidden) if bias else None, lens and np.array(lens, np.int32),
              f32(*first) if state else None]
    if op == "LSTM":
        values += [f32(*first) if state else None, f32(directions, 3 * hidden) if peephole else None]
    while values[-1] is None:
        values.pop()
    if directions == 2:
        attrs["direction"] = "bidirectional"
    n = 3 if op == "LSTM" else 2
    case(name, op, values, n if outputs is None else outputs, [i for i in constant if i < len(values)], opset,
         hidden_size=hidden, **attrs)


def recurrent():
    for op in ("RNN", "GRU", "LSTM"):
        low = op.lower()
        layer(low, op)
        layer(low + "_bare", op, bias=False, state=False)
        layer(low + "_reverse", op, direction="reverse")
        layer(low + "_both", op, directions=2, hidden=17, rows=3)
        layer(low + "_variable_weights", op, directions=2, constant=())
        layer(low + "_variable_recurrence", op, constant=(1,))
        layer(low + "_lens", op, rows=4, lens=[5, 1, 3, 2], directions=2)
        layer(low + "_wide", op, rows=13, hidden=33, inputs=20, directions=2, steps=4)
        layer(low + "_one", op, rows=1, hidden=40, steps=9)
        layer(low + "_clip", op, clip=0.4)
        layer(low + "_opset_7", op, opset=7)
        layer(low + "_dynamic", op, directions=2, dynamic=True)
        layer(low + "_y_only", op, outputs=1)
        layer(low + "_states_only", op, skip=(0,), hidden=9)
        layer(low + "_one_step", op, steps=1)
    for name, gates in {"relu": ["Relu"], "affine": ["Affine"], "leaky": ["LeakyRelu"], "thresholded": ["ThresholdedRelu"],
                        "scaled": ["ScaledTanh"], "hard": ["HardSigmoid"], "elu": ["Elu"], "softsign": ["Softsign"],
                        "softplus": ["Softplus"], "sigmoid": ["Sigmoid"]}.items():
        layer("rnn_" + name, "RNN", activations=gates, activation_alpha=[0.3], activation_beta=[0.2], hidden=18)
    layer("rnn_two_functions", "RNN", directions=2, activations=["LeakyRelu", "HardSigmoid"],
          activation_alpha=[0.3, 0.4], activation_beta=[0.0, 0.5])
    layer("gru_functions", "GRU", activations=["HardSigmoid", "Softsign"], hidden=18, activation_alpha=[0.25, 0.0],
          activation_beta=[0.4, 0.0])
    layer("lstm_functions", "LSTM", activations=["HardSigmoid", "Relu", "Elu"], hidden=18,
          activation_alpha=[0.25, 0.0, 0.7], activation_beta=[0.4, 0.0, 0.0])
    layer("gru_after", "GRU", linear_before_reset=1)
    layer("gru_after_both", "GRU", linear_before_reset=1, directions=2, hidden=33, rows=7, lens=[5, 0, 4, 1, 2, 3, 5])
    layer("gru_after_bare", "GRU", linear_before_reset=1, bias=False)
    layer("gru_after_clip", "GRU", linear_before_reset=1, clip=0.3, activations=["Sigmoid", "Tanh"])
    layer("lstm_peephole", "LSTM", peephole=True)
    layer("lstm_peephole_both", "LSTM", peephole=True, directions=2, hidden=35, rows=9)
    layer("lstm_forget", "LSTM", input_forget=1)


# ai.onnx.ml.  ---------------------------------------------------------------------------------

ML = "ai.onnx.ml"


def ml(name, op, inputs, n_out=1, version=3, **more):
    case("ml_" + name, op, inputs, n_out, domain=ML, version=version, **more)


def texts(*values):
    return np.array(values, dtype=object)


def sklearn_models():
    """Estimators fitted to noise, as skl2onnx writes them, without ZipMap."""
    import skl2onnx
    from sklearn import ensemble, linear_model, svm, tree, preprocessing, impute, pipeline
    x = f32(160, 6)
    two = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.int64)
    three = np.digitize(x[:, 0] - x[:, 3], [-0.6, 0.5])
    names = np.array(["left", "middle", "right"])[three]
    value = (x[:, 0] * 2 + np.sin(x[:, 1])).astype(np.float32)
    holes = np.where(RNG.random_sample(x.shape) < 0.1, np.float32(np.nan), x)
    probe = f32(21, 6)
    lost = np.where(RNG.random_sample(probe.shape) < 0.2, np.float32(np.nan), probe)
    fits = [
        ("tree_two", tree.DecisionTreeClassifier(max_depth=5), two), ("tree_names", tree.DecisionTreeClassifier(max_depth=4), names),
        ("forest_two", ensemble.RandomForestClassifier(11, max_depth=5), two),
        ("forest_three", ensemble.RandomForestClassifier(9, max_depth=6), three),
        ("forest_values", ensemble.RandomForestRegressor(13, max_depth=6), value),
        ("forest_both", ensemble.RandomForestRegressor(5, max_depth=4), np.stack([value, -value * 2], 1)),
        ("boosting_two", ensemble.GradientBoostingClassifier(n_estimators=12), two),
        ("boosting_three", ensemble.GradientBoostingClassifier(n_estimators=5), three),
        ("boosting_values", ensemble.GradientBoostingRegressor(n_estimators=12), value),
        ("isolation", ensemble.IsolationForest(n_estimators=5), None),
        ("logistic_two", linear_model.LogisticRegression(), two), ("logistic_three", linear_model.LogisticRegression(), names),
        ("linear", linear_model.LinearRegression(), value),
        ("linear_both", linear_model.LinearRegression(), np.stack([value, -value], 1)),
        ("ridge_two", linear_model.RidgeClassifier(), two), ("sgd_three", linear_model.SGDClassifier(), three),
        ("svc_two", svm.SVC(), two), ("svc_three", svm.SVC(kernel="poly"), three),
        ("svc_sure_two", svm.SVC(probability=True), two), ("svc_sure_three", svm.SVC(probability=True), names),
        ("svc_linear", svm.LinearSVC(), three), ("svr", svm.SVR(), value), ("svr_sigmoid", svm.SVR(kernel="sigmoid"), value),
        ("svr_linear", svm.SVR(kernel="linear"), value), ("one_class", svm.OneClassSVM(), None),
        ("pipeline", pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler(), preprocessing.Normalizer(),
                                            linear_model.LogisticRegression()), three),
        ("quantiles", pipeline.make_pipeline(preprocessing.MinMaxScaler(), linear_model.Ridge()), value),
    ]
    for name, model, y in fits:
        missing = name == "pipeline"
        if hasattr(model, "random_state"):
            model.random_state = 3
        model.fit(holes if missing else x, y)
        options = {"zipmap": False} if hasattr(model, "classes_") and name != "svc_linear" else None
        made = skl2onnx.to_onnx(model, x[:1], options={id(model): options} if options else None,
                                target_opset={"": 15, ML: 3})
        for rows in (1, 21):
            if rows == 21 and hasattr(model, "classes_") and name in ("forest_three", "logistic_two", "svc_sure_three", "pipeline"):
                whole = skl2onnx.to_onnx(model, x[:1], target_opset={"": 15, ML: 3})  # as it comes by default: with ZipMap
                add("ml_%s_zip" % name, whole, {whole.graph.input[0].name: (lost if missing else probe)[:rows]})
            if rows == 1 and name not in ("forest_two", "forest_three", "boosting_values", "logistic_two", "svc_three"):
                continue
            add("ml_%s_%d" % (name, rows), made, {made.graph.input[0].name: (lost if missing else probe)[:rows]})


def tree_attributes(kind, modes=("BRANCH_LEQ",), trees=3, depth=3, features=4, targets=2, spread=1, missing=False, value=None):
    """Random full trees; `spread` weights of each leaf."""
    a = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")}
    w = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for t in range(trees):
        inner = 2 ** (depth - t % 2) - 1
        for i in range(2 * inner + 1):
            leaf = i >= inner
            for k, v in zip(a, (t, i, 0 if leaf else RNG.randint(features), "LEAF" if leaf else modes[RNG.randint(len(modes))],
                                0.0 if leaf else float(value() if value else np.float32(RNG.standard_normal())),
                                0 if leaf else 2 * i + 1, 0 if leaf else 2 * i + 2)):
                a[k].append(v)
            for s in range(spread if leaf else 0):
                for k, v in zip(w, (t, i, (s + i) % targets, float(np.float32(RNG.standard_normal())))):
                    w[k].append(v)
    out = {"nodes_" + k: v for k, v in a.items()}
    out.update({kind + "_" + k: v for k, v in w.items()})
    if missing:
        out["nodes_missing_value_tracks_true"] = [int(v) for v in RNG.randint(0, 2, len(a["modes"]))]
    return out


def trees():
    every = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT")
    whole = lambda: RNG.randint(-2, 3)
    x = f32(19, 4)
    steps = RNG.randint(-2, 3, (19, 4)).astype(np.float32)
    lost = np.where(RNG.random_sample(x.shape) < 0.3, np.float32(np.nan), x)
    for mode in every + ("BRANCH_EQ", "BRANCH_NEQ"):
        ml("tree_" + mode[7:].lower(), "TreeEnsembleRegressor", [steps], n_targets=2,
           **tree_attributes("target", (mode,), value=whole))
    ml("tree_mixed", "TreeEnsembleRegressor", [steps], n_targets=2, **tree_attributes("target", every + ("BRANCH_EQ",), value=whole))
    for how in ("SUM", "AVERAGE", "MIN", "MAX"):
        for targets in (1, 3):
            ml("tree_%s_%d" % (how.lower(), targets), "TreeEnsembleRegressor", [x], n_targets=targets, aggregate_function=how,
               base_values=[0.25] * targets, **tree_attributes("target", targets=targets, trees=5, spread=targets))
    for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        ml("tree_post_" + post.lower(), "TreeEnsembleRegressor", [x], n_targets=3, post_transform=post,
           **tree_attributes("target", targets=3))
        ml("tree_classes_" + post.lower(), "TreeEnsembleClassifier", [x], 2, classlabels_int64s=[7, 5, 9], post_transform=post,
           **tree_attributes("class", targets=3, spread=3))
        ml("tree_binary_" + post.lower(), "TreeEnsembleClassifier", [x], 2, classlabels_int64s=[0, 1], post_transform=post,
           **tree_attributes("class", targets=1))
        ml("tree_binary_base_" + post.lower(), "TreeEnsembleClassifier", [x], 2, classlabels_strings=["no", "yes"],
           post_transform=post, base_values=[0.3], **tree_attributes("class", targets=1))
    positive = tree_attributes("class", targets=1)
    positive["class_weights"] = [abs(v) / 4 for v in positive["class_weights"]]
    ml("tree_binary_positive", "TreeEnsembleClassifier", [x], 2, classlabels_int64s=[0, 1], **positive)
    positive = {**positive, "class_ids": [1] * len(positive["class_ids"])}
    ml("tree_binary_second", "TreeEnsembleClassifier", [x], 2, classlabels_int64s=[0, 1], **positive)
    ml("tree_base_classes", "TreeEnsembleClassifier", [x], 2, classlabels_strings=["a", "b", "c"], base_values=[0.1, 0.5, -0.2],
       **tree_attributes("class", targets=3, spread=1))
    ml("tree_missing", "TreeEnsembleRegressor", [lost], n_targets=2, **tree_attributes("target", every, missing=True, depth=4))
    ml("tree_nan", "TreeEnsembleRegressor", [lost], n_targets=2, **tree_attributes("target", every))
    ml("tree_f64", "TreeEnsembleRegressor", [x.astype(np.float64)], n_targets=2, **tree_attributes("target"))
    for dtype in (np.int64, np.int32):
        ml("tree_" + dtype.__name__, "TreeEnsembleClassifier", [steps.astype(dtype)], 2, classlabels_int64s=[4, 5, 6],
           **tree_attributes("class", targets=3))
    ml("tree_one_row", "TreeEnsembleRegressor", [x[:1]], n_targets=1, **tree_attributes("target", targets=1, trees=19, depth=5))
    ml("tree_many_rows", "TreeEnsembleRegressor", [f32(300, 4)], n_targets=2, **tree_attributes("target", trees=4))
    ml("tree_dynamic", "TreeEnsembleRegressor", [x], n_targets=2, dynamic=True, **tree_attributes("target"))
    double = tree_attributes("target")
    for k in ("nodes_values", "target_weights"):
        double[k + "_as_tensor"] = helper.make_tensor(k, TensorProto.DOUBLE, [len(double[k])], double.pop(k))
    ml("tree_doubles", "TreeEnsembleRegressor", [x.astype(np.float64)], n_targets=2, **double)


def placed_trees():
    """TreeEnsemble of opset 5."""
    for dtype, kind in ((np.float32, TensorProto.FLOAT), (np.float64, TensorProto.DOUBLE)):
        x = RNG.randint(-2, 3, (17, 3)).astype(dtype)
        for name, mode in (("leq", 0), ("lt", 1), ("gte", 2), ("gt", 3), ("eq", 4), ("neq", 5)):
            ml("placed_%s_%s" % (name, dtype.__name__), "TreeEnsemble", [x], version=5, n_targets=2, aggregate_function=1,
               post_transform=0, tree_roots=[0, 3], nodes_featureids=[0, 1, 2, 1],
               nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [4], [mode] * 4),
               nodes_splits=helper.make_tensor("s", kind, [4], [0.0, 1.0, -1.0, 0.5]),
               nodes_truenodeids=[1, 0, 2, 4], nodes_trueleafs=[0, 1, 1, 1], nodes_falsenodeids=[2, 1, 3, 4],
               nodes_falseleafs=[0, 1, 1, 1], leaf_targetids=[0, 1, 0, 1, 0],
               leaf_weights=helper.make_tensor("w", kind, [5], [1.5, -2.0, 0.25, 4.0, 8.0]))


def machines():
    x = f32(5, 4)
    for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        ml("svr_" + kernel.lower(), "SVMRegressor", [x], kernel_type=kernel, kernel_params=[0.3, 0.5, 3.0], n_supports=6,
           support_vectors=f32(24).tolist(), coefficients=f32(6).tolist(), rho=[0.2])
        ml("svc_" + kernel.lower(), "SVMClassifier", [x], 2, kernel_type=kernel, kernel_params=[0.3, 0.5, 2.0],
           support_vectors=f32(24).tolist(), coefficients=f32(12).tolist(), rho=f32(3).tolist(), vectors_per_class=[2, 3, 1],
           classlabels_strings=["a", "b", "c"])
    ml("svr_vectorless", "SVMRegressor", [x], kernel_params=[0.0, 0.0, 3.0], coefficients=f32(4).tolist(), rho=[0.2])
    for post in ("NONE", "LOGISTIC", "SOFTMAX"):
        ml("svc_vectorless_" + post.lower(), "SVMClassifier", [x], 2, kernel_params=[0.0, 0.0, 3.0], coefficients=f32(12).tolist(),
           rho=[0.2], classlabels_ints=[4, 5, 6], post_transform=post)
        ml("svc_pair_" + post.lower(), "SVMClassifier", [x], 2, kernel_params=[0.1, 0.0, 3.0], coefficients=f32(5).tolist(),
           support_vectors=f32(20).tolist(), rho=[0.2], classlabels_ints=[4, 5], vectors_per_class=[2, 3], post_transform=post)
        ml("linear_two_" + post.lower(), "LinearClassifier", [x], 2, coefficients=f32(4).tolist(), intercepts=[0.1],
           classlabels_ints=[3, 8], post_transform=post)
        ml("linear_three_" + post.lower(), "LinearClassifier", [x], 2, coefficients=f32(12).tolist(), intercepts=f32(3).tolist(),
           classlabels_strings=["p", "q", "r"], post_transform=post)
        ml("linear_values_" + post.lower(), "LinearRegressor", [x], coefficients=f32(8).tolist(), intercepts=f32(2).tolist(),
           targets=2, post_transform=post)
    ml("linear_seven", "LinearClassifier", [x.astype(np.float64)], 2, coefficients=f32(28).tolist(), intercepts=f32(7).tolist(),
       classlabels_ints=list(range(7)), post_transform="SOFTMAX")
    for rows in (32, 45):
        many = f32(rows, 4)
        ml("linear_rows_two_%d" % rows, "LinearClassifier", [many], 2, coefficients=f32(4).tolist(), intercepts=[0.1],
           classlabels_ints=[3, 8], post_transform="LOGISTIC")
        ml("linear_rows_three_%d" % rows, "LinearClassifier", [many.astype(np.float64)], 2, coefficients=f32(12).tolist(),
           intercepts=f32(3).tolist(), classlabels_strings=["p", "q", "r"], post_transform="SOFTMAX")
        ml("linear_rows_%d" % rows, "LinearRegressor", [many], coefficients=f32(4).tolist(), intercepts=[0.5])
        ml("linear_rows_both_%d" % rows, "LinearRegressor", [many], coefficients=f32(8).tolist(), targets=2)
    ml("linear_bare", "LinearRegressor", [x], coefficients=f32(4).tolist())
    ml("linear_whole", "LinearClassifier", [RNG.randint(-5, 5, (4, 3))], 2, coefficients=f32(6).tolist(), intercepts=f32(2).tolist(),
       classlabels_ints=[0, 1])


def tables():
    x, whole = f32(4, 3), RNG.randint(-3, 4, (4, 3))
    for name, v in (("f32", x), ("f64", x.astype(np.float64)), ("i64", whole), ("i32", whole.astype(np.int32))):
        ml("scaler_" + name, "Scaler", [v], offset=[0.5, -1.0, 2.0], scale=[2.0, 0.5, -1.0])
        for norm in ("MAX", "L1", "L2"):
            ml("normalizer_%s_%s" % (norm.lower(), name), "Normalizer", [v], norm=norm)
        ml("vectorizer_" + name, "FeatureVectorizer", [v, v[:, :2]], inputdimensions=[3, 2])
    ml("scaler_one", "Scaler", [x], offset=[0.5], scale=[2.0])
    ml("vectorizer_widths", "FeatureVectorizer", [x, x], inputdimensions=[2, 3])
    ml("imputer_nan", "Imputer", [np.where(x > 0.5, np.float32(np.nan), x)], imputed_value_floats=[1.0, 2.0, 3.0],
       replaced_value_float=float("nan"))
    ml("imputer_one", "Imputer", [np.where(x > 0.5, np.float32(9), x)], imputed_value_floats=[1.5], replaced_value_float=9.0)
    ml("imputer_i64", "Imputer", [whole], imputed_value_int64s=[10, 20, 30], replaced_value_int64=1)
    ml("binarizer", "Binarizer", [x], threshold=0.25)
    ml("extractor", "ArrayFeatureExtractor", [x, np.array([[2, 0]])])
    ml("extractor_line", "ArrayFeatureExtractor", [x[0], np.array([1])])
    ml("extractor_deep", "ArrayFeatureExtractor", [f32(2, 3, 5), np.array([4, 0, 4])])
    ml("extractor_text", "ArrayFeatureExtractor", [texts("a", "b", "c").reshape(1, 3), np.array([2, 1])])
    words = texts("cat", "dog", "", "cow").reshape(2, 2)
    ml("label_oldest_text", "LabelEncoder", [words], version=1, classes_strings=["dog", "cow"], default_int64=-7)
    ml("label_oldest_number", "LabelEncoder", [np.array([0, 1, 5])], version=1, classes_strings=["dog", "cow"], default_string="none")
    lists = {"strings": ["cat", "cow", "cat"], "int64s": [1, 2, 1], "floats": [0.5, -1.5, 0.5]}
    inputs = {"strings": words, "int64s": np.array([[2, 1], [0, 3]]), "floats": np.array([[0.5, 1.0, -1.5]], np.float32)}
    for k in lists:
        for v in lists:
            ml("label_%s_%s" % (k, v), "LabelEncoder", [inputs[k]], version=2,
               **{"keys_" + k: lists[k], "values_" + v: {"strings": ["p", "q", "r"], "int64s": [7, 8, 9], "floats": [0.1, 0.2, 0.3]}[v]})
    ml("label_nan", "LabelEncoder", [np.array([1, np.nan, 2], np.float32)], version=4, keys_floats=[float("nan"), 2.0],
       values_int64s=[5, 6], default_tensor=helper.make_tensor("d", TensorProto.INT64, [1], [44]))
    ml("label_tensor", "LabelEncoder", [words], version=4, keys_tensor=helper.make_tensor("k", TensorProto.STRING, [2], [b"cow", b"dog"]),
       values_tensor=helper.make_tensor("v", TensorProto.INT16, [2], [3, 4]),
       default_tensor=helper.make_tensor("d", TensorProto.INT16, [1], [-5]))
    ml("label_doubles", "LabelEncoder", [np.array([1.5, 2.5])], version=4, keys_tensor=helper.make_tensor("k", TensorProto.DOUBLE, [2], [2.5, 3.5]),
       values_tensor=helper.make_tensor("v", TensorProto.DOUBLE, [2], [9.25, 4.0]),
       default_tensor=helper.make_tensor("d", TensorProto.DOUBLE, [1], [0.125]))
    ml("mapper_text", "CategoryMapper", [words], cats_strings=["cat", "dog"], cats_int64s=[11, 12], default_int64=9)
    ml("mapper_number", "CategoryMapper", [np.array([12, 3])], cats_strings=["cat", "dog"], cats_int64s=[11, 12])
    ml("one_hot_text", "OneHotEncoder", [words], cats_strings=["cow", "cat", "ant"])
    ml("one_hot_number", "OneHotEncoder", [np.array([[2, 0, 1]])], cats_int64s=[1, 2, 3])
    ml("one_hot_float", "OneHotEncoder", [np.array([2, 0, 1], np.float32)], cats_int64s=[1, 2, 0], zeros=0)


def map_model(op, key, x, out, **attrs):
    """One node over a map; the case's inputs are its keys and its values."""
    node = helper.make_node(op, ["x"], ["y"], domain=ML, **attrs)
    given = helper.make_value_info("x", helper.make_map_type_proto(key, helper.make_tensor_type_proto(x, [])))
    graph = helper.make_graph([node], "g", [given], [helper.make_tensor_value_info("y", out, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(ML, 3)])
    model.ir_version = 8
    return model


def zip_model(shape, rows_type=True, **attrs):
    node = helper.make_node("ZipMap", ["x"], ["y"], domain=ML, **attrs)
    key = TensorProto.STRING if "classlabels_strings" in attrs else TensorProto.INT64
    of = helper.make_map_type_proto(key, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    out = helper.make_value_info("y", helper.make_sequence_type_proto(of)) if rows_type else onnx.ValueInfoProto(name="y")
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(ML, 3)])
    model.ir_version = 8
    return model


def maps():
    for name, attrs in (("numbers", {"classlabels_int64s": [4, 7, 9]}), ("names", {"classlabels_strings": ["left", "mid", "right"]})):
        for rows in (1, 4):
            add("ml_zip_%s_%d" % (name, rows), zip_model([None, 3], **attrs), {"x": f32(rows, 3)})
        add("ml_zip_%s_row" % name, zip_model([3], **attrs), {"x": f32(3)})
        add("ml_zip_%s_untyped" % name, zip_model([None, 3], False, **attrs), {"x": f32(2, 3)})
    text, whole, real = TensorProto.STRING, TensorProto.INT64, TensorProto.FLOAT
    add("ml_dictionary_text", map_model("DictVectorizer", text, real, real, string_vocabulary=["c", "b", "a"]),
        {"x": {"a": 1.0, "c": 2.5, "z": 9.0}})
    add("ml_dictionary_number", map_model("DictVectorizer", whole, real, real, int64_vocabulary=[-1, 2, 3]), {"x": {3: 1.0, -1: 2.5}})
    for name, to in (("FLOAT", real), ("INT64", whole), ("STRING", text)):
        cast = "TO_" + name
        add("ml_cast_map_dense_" + name.lower(), map_model("CastMap", whole, real, to, cast_to=cast), {"x": {3: 1.75, 1: -2.5}})
        add("ml_cast_map_sparse_" + name.lower(), map_model("CastMap", whole, real, to, cast_to=cast, map_form="SPARSE", max_map=5),
            {"x": {3: 1.75, 1: -2.5}})
    add("ml_cast_map_cut", map_model("CastMap", whole, real, real, map_form="SPARSE", max_map=2), {"x": {3: 1.75, 1: -2.5}})


def broken_maps():
    text, whole, real = TensorProto.STRING, TensorProto.INT64, TensorProto.FLOAT

    def bad(name, model, inputs):
        CASES.append((name, model.SerializeToString(), inputs, {}))

    three = {"x": f32(2, 3)}
    bad("zip_two_labels", zip_model([None, 3], classlabels_int64s=[1, 2]), three)
    bad("zip_no_labels", zip_model([None, 3]), three)
    bad("zip_both_labels", zip_model([None, 3], classlabels_int64s=[1, 2, 3], classlabels_strings=["a", "b", "c"]), three)
    bad("zip_three_axes", zip_model([1, 2, 3], classlabels_int64s=[1, 2, 3]), {"x": f32(1, 2, 3)})
    read = zip_model([None, 3], classlabels_int64s=[1, 2, 3])
    read.graph.node.append(helper.make_node("Identity", ["y"], ["z"]))
    read.graph.output[0].name = "z"
    bad("zip_read_by_another", read, three)
    many = zip_model([None, 3], classlabels_int64s=[1, 2, 3])
    for i in range(70):
        many.graph.node.append(helper.make_node("ZipMap", ["x"], ["y%d" % i], domain=ML, classlabels_int64s=[1, 2, 3]))
    bad("zip_many", many, three)
    taken = zip_model([None, 3], classlabels_int64s=[1, 2, 3])
    taken.graph.node.append(helper.make_node("Identity", ["x"], ["y.keys"]))
    taken.graph.output.append(helper.make_tensor_value_info("y.keys", real, None))
    bad("zip_name_taken", taken, three)
    plain = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [helper.make_tensor_value_info("x", real, [None, 3])],
                              read.graph.output)
    plain.output[0].name = "y"
    bad("map_that_is_none", helper.make_model(plain, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), three)
    words = {"string_vocabulary": ["c", "b", "a"]}
    keys = np.array(["a", "b"], dtype=object)
    bad("dictionary_short", map_model("DictVectorizer", text, real, real, **words), {"x.keys": keys, "x.values": f32(3)})
    bad("dictionary_twice", map_model("DictVectorizer", text, real, real, **words),
        {"x.keys": np.array(["a", "a"], dtype=object), "x.values": f32(2)})
    bad("dictionary_words_twice", map_model("DictVectorizer", text, real, real, string_vocabulary=["a", "a"]),
        {"x.keys": keys, "x.values": f32(2)})
    bad("dictionary_numbers", map_model("DictVectorizer", whole, real, real, **words), {"x.keys": np.array([1, 2]), "x.values": f32(2)})
    bad("dictionary_of_floats", map_model("DictVectorizer", real, real, real, **words), {"x.keys": f32(2), "x.values": f32(2)})
    bad("dictionary_values_alone", map_model("DictVectorizer", text, real, real, **words), {"x.values": f32(2)})
    for name, at, attrs in (("negative", [-1, 2], {"map_form": "SPARSE", "max_map": 3}), ("twice", [2, 2], {}),
                            ("no_room", [1, 2], {"map_form": "SPARSE", "max_map": 0}),
                            ("vast", [1, 2], {"map_form": "SPARSE", "max_map": 2 ** 60}),
                            ("odd_form", [1, 2], {"map_form": "LOOSE"}), ("odd_cast", [1, 2], {"cast_to": "TO_DATE"})):
        bad("cast_map_" + name, map_model("CastMap", whole, real, real, **attrs), {"x.keys": np.array(at), "x.values": f32(2)})
    bad("cast_map_words", map_model("CastMap", whole, text, whole, cast_to="TO_INT64"),
        {"x.keys": np.array([1, 2]), "x.values": np.array(["12", "1x"], dtype=object)})


def refused(name, op, x, outputs=1, version=3, **attrs):
    """A model that must not open, or where it is the values of x, not run."""
    node = helper.make_node(op, ["x"], ["y%d" % i for i in range(outputs)], domain=ML, **attrs)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", kind(x), list(x.shape))],
                              [onnx.ValueInfoProto(name="y%d" % i) for i in range(outputs)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(ML, version)])
    model.ir_version = 8
    CASES.append((name, model.SerializeToString(), {"x": x}, {}))


def broken_trees():
    x = f32(3, 4)
    good = tree_attributes("target", trees=2, depth=2)
    damage = {
        "itself": {"nodes_truenodeids": [0] + good["nodes_truenodeids"][1:]},
        "cycle": {"nodes_truenodeids": [1, 0] + good["nodes_truenodeids"][2:]},
        "two_parents": {"nodes_falsenodeids": [1] + good["nodes_falsenodeids"][1:]},
        "no_such_child": {"nodes_truenodeids": [77] + good["nodes_truenodeids"][1:]},
        "negative_child": {"nodes_truenodeids": [-1] + good["nodes_truenodeids"][1:]},
        "same_node": {"nodes_nodeids": [1] + good["nodes_nodeids"][1:]},
        "short_modes": {"nodes_modes": good["nodes_modes"][:-1]},
        "short_values": {"nodes_values": good["nodes_values"][:-1]},
        "short_features": {"nodes_featureids": good["nodes_featureids"][:-1]},
        "short_missing": {"nodes_missing_value_tracks_true": [1]},
        "odd_mode": {"nodes_modes": ["BRANCH_MAYBE"] + good["nodes_modes"][1:]},
        "wide_feature": {"nodes_featureids": [4] + good["nodes_featureids"][1:]},
        "negative_feature": {"nodes_featureids": [-1] + good["nodes_featureids"][1:]},
        "huge_feature": {"nodes_featureids": [2 ** 40] + good["nodes_featureids"][1:]},
        "target_beyond": {"target_ids": [2] + good["target_ids"][1:]},
        "target_negative": {"target_ids": [-1] + good["target_ids"][1:]},
        "weight_of_nobody": {"target_nodeids": [99] + good["target_nodeids"][1:]},
        "short_weights": {"target_weights": good["target_weights"][:-1]},
        "no_targets": {"n_targets": 0},
        "many_targets": {"n_targets": 2 ** 40},
        "odd_aggregate": {"aggregate_function": "MEDIAN"},
        "odd_transform": {"post_transform": "WISH"},
        "three_bases": {"base_values": [1.0, 2.0, 3.0]},
    }
    for name, change in damage.items():
        refused("tree_" + name, "TreeEnsembleRegressor", x, **{"n_targets": 2, **good, **change})
    refused("tree_no_nodes", "TreeEnsembleRegressor", x, n_targets=1)
    refused("tree_three_axes", "TreeEnsembleRegressor", f32(2, 2, 4), n_targets=2, **good)
    refused("tree_text", "TreeEnsembleRegressor", x.astype(np.int8), n_targets=2, **good)
    refused("tree_no_labels", "TreeEnsembleClassifier", x, 2, **tree_attributes("class"))
    placed = dict(n_targets=1, tree_roots=[0], nodes_featureids=[0], nodes_modes=helper.make_tensor("m", 2, [1], [0]),
                  nodes_splits=helper.make_tensor("s", 1, [1], [0.0]), nodes_truenodeids=[0], nodes_trueleafs=[1],
                  nodes_falsenodeids=[1], nodes_falseleafs=[1], leaf_targetids=[0, 0],
                  leaf_weights=helper.make_tensor("w", 1, [2], [1.0, 2.0]))
    damage = {
        "itself": {"nodes_trueleafs": [0]}, "leaf_beyond": {"nodes_falsenodeids": [2]}, "root_beyond": {"tree_roots": [1]},
        "root_negative": {"tree_roots": [-1]}, "root_twice": {"tree_roots": [0, 0]}, "no_roots": {"tree_roots": [0] * 9},
        "odd_mode": {"nodes_modes": helper.make_tensor("m", 2, [1], [7])},
        "no_members": {"nodes_modes": helper.make_tensor("m", 2, [1], [6])},
        "modes_of_floats": {"nodes_modes": helper.make_tensor("m", 1, [1], [0.0])},
        "target_beyond": {"leaf_targetids": [0, 1]}, "short_targets": {"leaf_targetids": [0]},
    }
    for name, change in damage.items():
        refused("placed_" + name, "TreeEnsemble", x, version=5, **{**placed, **change})


def broken_others():
    x, words = f32(3, 4), np.array([3, 1])
    refused("linear_few", "LinearRegressor", x, coefficients=[1.0, 2.0])
    refused("linear_no_intercepts", "LinearClassifier", x, 2, coefficients=[1.0] * 4, classlabels_ints=[0, 1])
    refused("linear_few_labels", "LinearClassifier", x, 2, coefficients=[1.0] * 12, intercepts=[0.0] * 3, classlabels_ints=[0, 1])
    refused("linear_targets", "LinearRegressor", x, coefficients=[1.0] * 4, targets=2)
    refused("svr_few_vectors", "SVMRegressor", x, kernel_type="RBF", kernel_params=[1.0, 0.0, 0.0], n_supports=3,
            support_vectors=[1.0] * 8, coefficients=[1.0] * 3, rho=[0.0])
    refused("svr_few_coefficients", "SVMRegressor", x, kernel_params=[1.0, 0.0, 0.0], n_supports=2,
            support_vectors=[1.0] * 8, coefficients=[1.0], rho=[0.0])
    refused("svr_no_rho", "SVMRegressor", x, kernel_params=[1.0, 0.0, 0.0], coefficients=[1.0] * 4)
    refused("svr_negative", "SVMRegressor", x, n_supports=-1, coefficients=[1.0] * 4, rho=[0.0])
    machine = dict(kernel_params=[1.0, 0.0, 0.0], support_vectors=[1.0] * 8, coefficients=[1.0] * 4, rho=[0.0] * 3,
                   vectors_per_class=[1, 1, 0], classlabels_ints=[0, 1, 2])
    for name, change in {"rho": {"rho": [0.0]}, "prob": {"prob_a": [1.0] * 3}, "vectors": {"vectors_per_class": [1, 1]},
                         "negative": {"vectors_per_class": [3, -1, 0]}, "coefficients": {"coefficients": [1.0] * 3},
                         "kernel": {"kernel_type": "CUBE"}, "params": {"kernel_params": [1.0]}}.items():
        refused("svc_" + name, "SVMClassifier", x, 2, **{**machine, **change})
    refused("scaler_two", "Scaler", x, offset=[1.0, 2.0])
    refused("normalizer_odd", "Normalizer", x, norm="L3")
    refused("imputer_nothing", "Imputer", x)
    refused("label_uneven", "LabelEncoder", words, keys_int64s=[1, 2], values_int64s=[1])
    refused("label_other_type", "LabelEncoder", x, keys_int64s=[1], values_int64s=[1])
    refused("mapper_uneven", "CategoryMapper", words, cats_strings=["a"], cats_int64s=[1, 2])
    refused("one_hot_nothing", "OneHotEncoder", words)
    refused("one_hot_unknown", "OneHotEncoder", words, cats_int64s=[1, 2], zeros=0)
    refused("vectorizer_widths", "FeatureVectorizer", x, inputdimensions=[1, 2])
    refused("vectorizer_negative", "FeatureVectorizer", x, inputdimensions=[-1])


def broken_attention():
    b, s, h, d = 2, 4, 3, 5
    rows, past = f32(b, s, h * d), f32(b, h, 3, d)
    w = f32(h * d, 3 * h * d)

    def bad(op, name, inputs, n_out=1, constant=(), **attrs):
        given = {"i%d" % i: np.asarray(v) for i, v in enumerate(inputs) if v is not None}
        node = helper.make_node(op, ["i%d" % i if v is not None else "" for i, v in enumerate(inputs)],
                                ["o%d" % i for i in range(n_out)], domain="com.microsoft", **attrs)
        graph = helper.make_graph([node], "g", [helper.make_tensor_value_info(k, kind(v), list(v.shape)) for k, v in given.items()
                                                if int(k[1:]) not in constant],
                                  [onnx.ValueInfoProto(name="o%d" % i) for i in range(n_out)],
                                  [numpy_helper.from_array(given["i%d" % c], "i%d" % c) for c in constant])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
        model.ir_version = 8
        CASES.append((op + "_" + name, model.SerializeToString(), {k: v for k, v in given.items() if int(k[1:]) not in constant}, {}))

    heads = [rows, rows, rows]
    for name, inputs, attrs in (
            ("no_heads", heads, {}), ("negative_heads", heads, {"num_heads": -3}), ("odd_heads", heads, {"num_heads": 4}),
            ("many_heads", heads, {"num_heads": 2 ** 40}), ("packed", [f32(b, s, h, 3, d)], {"num_heads": h}),
            ("no_values", [rows, rows], {"num_heads": h}), ("other_batch", [rows, rows[:1], rows[:1]], {"num_heads": h}),
            ("other_length", [rows, rows, rows[:, :2]], {"num_heads": h}), ("bias", heads + [f32(7)], {"num_heads": h}),
            ("mask_axes", heads + [None, np.ones((2, 2, 2, 2), np.int32)], {"num_heads": h}),
            ("mask_length", heads + [None, np.ones((b, 9), np.int32)], {"num_heads": h}),
            ("mask_type", heads + [None, np.ones((b, s), np.int64)], {"num_heads": h}),
            ("scores", heads + [None, None, f32(1, 2, s, s)], {"num_heads": h}),
            ("past_alone", heads + [None, None, None, past], {"num_heads": h}),
            ("past_axes", heads + [None, None, None, f32(b, h, 3), f32(b, h, 3)], {"num_heads": h}),
            ("past_other", heads + [None, None, None, past, past[:, :, :2].copy()], {"num_heads": h}),
            ("past_size", heads + [None, None, None, f32(b, h, 3, 4), f32(b, h, 3, 4)], {"num_heads": h}),
            ("shared", heads + [None, None, None, past, past, np.array([3], np.int32)], {"num_heads": h})):
        bad("MultiHeadAttention", name, inputs, **attrs)
    for name, inputs, attrs in (
            ("no_heads", [rows, w], {}), ("odd_heads", [rows, w], {"num_heads": 7}), ("rows", [rows[0], w], {"num_heads": h}),
            ("weights", [rows, w[:3]], {"num_heads": h}), ("bias", [rows, w, f32(3)], {"num_heads": h}),
            ("widths", [rows, w], {"num_heads": h, "qkv_hidden_sizes": [15, 15, 16]}),
            ("vast_widths", [rows, w], {"num_heads": h, "qkv_hidden_sizes": [2 ** 62, 2 ** 62, 45]}),
            ("two_widths", [rows, w], {"num_heads": h, "qkv_hidden_sizes": [15, 30]}),
            ("past", [rows, w, None, None, f32(2, b, h, 3, 4)], {"num_heads": h}),
            ("one_past", [rows, w, None, None, f32(1, b, h, 3, d)], {"num_heads": h}),
            ("rotary", [rows, w], {"num_heads": h, "do_rotary": 1}),
            ("mask", [rows, w, None, np.ones(5, np.int32)], {"num_heads": h})):
        bad("Attention", name, inputs, **attrs)
    cos, sin = turns(8, 4)
    q, k, cache = f32(1, 1, 32), f32(1, 1, 16), f32(1, 2, 6, 8)
    some = {"num_heads": 4, "kv_num_heads": 2}

    def grouped(name, q=q, k=k, v=k, past_k=cache, past_v=cache, lengths=(6,), total=7, angles=(cos, sin), more=(), **attrs):
        bad("GroupQueryAttention", name, [q, k, v, past_k, past_v, None if lengths is None else i32(*lengths),
                                          None if total is None else np.array(total), *angles, *more], 3, **{**some, **attrs})

    grouped("heads", num_heads=3)
    grouped("shared_heads", kv_num_heads=0)
    grouped("more_shared_heads", num_heads=2, kv_num_heads=4)
    grouped("keys_alone", v=None)
    grouped("keys", k=f32(1, 1, 8), v=f32(1, 1, 8))
    grouped("past_alone", past_v=None)
    grouped("past_heads", past_k=f32(1, 4, 6, 8), past_v=f32(1, 4, 6, 8))
    grouped("no_lengths", lengths=None)
    grouped("no_total", total=None)
    grouped("two_lengths", lengths=(6, 6))
    grouped("long", lengths=(7,))
    grouped("short", lengths=(-1,))
    grouped("wrapped", lengths=(2 ** 31 - 1,))
    grouped("negative", lengths=(-2 ** 31,))
    grouped("total_negative", total=-1)
    grouped("total_beyond", total=9)
    grouped("total_vast", total=2 ** 62)
    grouped("window", local_window_size=0)
    grouped("angles", angles=(cos, sin[:3].copy()), do_rotary=1)
    grouped("no_angles", angles=(None, None), do_rotary=1)
    grouped("wide_angles", angles=(f32(8, 5), f32(8, 5)), do_rotary=1)
    grouped("few_angles", angles=(cos[:6].copy(), sin[:6].copy()), do_rotary=1)
    grouped("place_beyond", do_rotary=1, more=[np.array([[8]])])
    grouped("place_negative", do_rotary=1, more=[np.array([[-1]])])
    grouped("sinks", more=[None, None, f32(3)])
    grouped("scores", more=[None, f32(1, 4, 1, 5)])
    grouped("quantised", more=[None, None, None, f32(1)])
    grouped("cache", sliding_window_cache=1, local_window_size=3)


def refusals():
    broken_trees()
    broken_others()
    broken_maps()
    broken_attention()


def machine_learning():
    tables()
    machines()
    trees()
    placed_trees()
    sklearn_models()
    maps()


# com.microsoft.  -------------------------------------------------------------------------------

def ms(name, op, inputs, n_out=1, **more):
    case("ms_" + name, op, inputs, n_out, domain="com.microsoft", types=more.pop("types", [TensorProto.FLOAT] * n_out), **more)


def nibbles(values, bits):
    """Rows of small numbers as MatMulNBits has them: the low bits first."""
    if bits == 8:
        return values.astype(np.uint8)
    if values.shape[-1] % 2:
        values = np.concatenate([values, np.zeros(values.shape[:-1] + (1,), values.dtype)], -1)
    return (values[..., 0::2] | values[..., 1::2] << 4).astype(np.uint8)


def microsoft():
    x, row = f32(2, 5, 16) * 2, f32(16)
    ms("gelu", "Gelu", [x])
    ms("fast_gelu", "FastGelu", [x])
    ms("fast_gelu_bias", "FastGelu", [x, row], constant=(1,))
    ms("bias_gelu", "BiasGelu", [x, row], dynamic=True)
    ms("quick_gelu", "QuickGelu", [x], alpha=1.3)
    skip, gain, bias = f32(2, 5, 16), f32(16), f32(16)
    ms("skip", "SkipLayerNormalization", [x, skip, gain, bias], epsilon=1e-5)
    ms("skip_addend", "SkipLayerNormalization", [x, skip, gain, bias, row], 4, skip=(1, 2), epsilon=1e-5)
    ms("skip_bare", "SkipLayerNormalization", [x, skip, gain], epsilon=1e-5)
    ms("skip_simple", "SkipSimplifiedLayerNormalization", [x, skip, gain], epsilon=1e-5)
    ms("skip_simple_addend", "SkipSimplifiedLayerNormalization", [x, skip, gain, row], 4, skip=(1, 2), epsilon=1e-5)
    case("ms_simple", "SimplifiedLayerNormalization", [x, gain], epsilon=1e-5, types=[TensorProto.FLOAT])
    ids, kinds = RNG.randint(0, 9, (2, 5)).astype(np.int32), RNG.randint(0, 2, (2, 5)).astype(np.int32)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    tables = [f32(9, 16), f32(7, 16), f32(2, 16), gain, bias]
    ms("embed", "EmbedLayerNormalization", [ids, kinds] + tables + [mask], 2, types=[TensorProto.FLOAT, TensorProto.INT32], epsilon=1e-5)
    ms("embed_places", "EmbedLayerNormalization", [ids, None, tables[0], tables[1], None, gain, bias, None,
                                                  np.array([[4, 3, 2, 1, 0], [0, 1, 2, 6, 5]], np.int32)], 3,
       types=[TensorProto.FLOAT, TensorProto.INT32, TensorProto.FLOAT], epsilon=1e-5)
    a, b = f32(2, 3, 4, 6), f32(2, 1, 6, 5)
    ms("matmul", "FusedMatMul", [a, b], alpha=0.5)
    ms("matmul_b", "FusedMatMul", [a, np.ascontiguousarray(b.swapaxes(2, 3))], transB=1)
    ms("matmul_a", "FusedMatMul", [np.ascontiguousarray(a.swapaxes(2, 3)), b], transA=1, alpha=2.0)
    ms("matmul_both", "FusedMatMul", [f32(6, 4), f32(5, 6)], transA=1, transB=1)
    for bits in (4, 8):
        for name, zeros in (("", False), ("_zeros", True)):
            k, cols, block = 48, 7, 32
            w = RNG.randint(0, 2 ** bits, (cols, 2 * block))
            inputs = [f32(3, k), nibbles(w, bits).reshape(cols, 2, -1), f32(cols, 2).reshape(-1)]
            if zeros:
                inputs.append(nibbles(RNG.randint(0, 2 ** bits, (cols, 2)), bits).reshape(-1))
            ms("nbits_%d%s" % (bits, name), "MatMulNBits", inputs, constant=(1, 2, 3), K=k, N=cols, bits=bits, block_size=block)
    places = np.array([[0, 1, 2, 3, 4], [3, 4, 5, 6, 7]])
    cos, sin = np.cos(f32(9, 4)), np.sin(f32(9, 4))
    for inter in (0, 1):
        ms("rotary_%d" % inter, "RotaryEmbedding", [x, places, cos, sin], interleaved=inter)
        ms("rotary_first_%d" % inter, "RotaryEmbedding", [x, np.array([2]), cos, sin], interleaved=inter)
        ms("rotary_heads_%d" % inter, "RotaryEmbedding", [f32(2, 3, 5, 8), places, cos, sin], interleaved=inter)
    ms("rotary_part", "RotaryEmbedding", [x, places, cos[:, :2].copy(), sin[:, :2].copy()], rotary_embedding_dim=4, num_heads=2)
    q, k, v = f32(2, 5, 16), f32(2, 7, 16), f32(2, 7, 16)
    ms("heads", "MultiHeadAttention", [q, k, v], num_heads=4)
    ms("heads_bias", "MultiHeadAttention", [q, k, v, f32(48)], num_heads=2, constant=(3,))
    ms("heads_scores", "MultiHeadAttention", [q, k, v, None, None, f32(1, 2, 5, 7)], num_heads=2, scale=0.3)


    fused()
    heads_with_past()
    self_attention()
    grouped_attention()


def fused():
    x, w, bias = f32(1, 3, 7, 6), f32(4, 3, 3, 3) * np.float32(0.3), f32(4)
    for name, params in (("Relu", []), ("Tanh", []), ("Sigmoid", []), ("LeakyRelu", [0.2]), ("Clip", [-0.4, 0.5]), ("HardSigmoid", [0.3, 0.4])):
        more = {"activation_params": params} if params else {}
        ms("conv_" + name.lower(), "FusedConv", [x, w, bias], constant=(1, 2), activation=name, pads=[1, 1, 1, 1], **more)
    ms("conv_bare", "FusedConv", [x, w], constant=(1,), activation="Relu", strides=[2, 2], kernel_shape=[3, 3])
    ms("conv_sum", "FusedConv", [x, w, bias, f32(1, 4, 5, 4)], constant=(1, 2), activation="Relu")
    ms("conv_no_activation", "FusedConv", [x, w, bias], constant=(1, 2), group=1)
    a, b = f32(5, 6), f32(4, 6)
    for name, params in (("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.3}), ("Tanh", {}), ("Elu", {"activation_alpha": 1.5}),
                         ("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.6})):
        ms("gemm_" + name.lower(), "FusedGemm", [a, b, bias], constant=(1, 2), transB=1, activation=name, **params)
    ms("gemm_bare", "FusedGemm", [a, b], constant=(1,), transB=1, alpha=0.5, activation="Relu")
    case("ms_layer_norm_11", "LayerNormalization", [x, f32(6), f32(6)], opset=11, epsilon=1e-4, types=[TensorProto.FLOAT])
    case("ms_layer_norm_12_axis", "LayerNormalization", [x, f32(7, 6), f32(7, 6)], opset=12, axis=2, types=[TensorProto.FLOAT])
    case("ms_simple_11", "SimplifiedLayerNormalization", [x, f32(6)], opset=11, types=[TensorProto.FLOAT])


def chain(name, x, *nodes, **constants):
    """Nodes in a row, "Mul k" for one with the constant k; the next reads the one before, as its second input behind `~`."""
    made, last = [], "x"
    for i, spec in enumerate(nodes):
        op, *others = spec.split()
        turned = op.startswith("~")
        inputs = others + [last] if turned else [last] + others
        made.append(helper.make_node(op.lstrip("~"), inputs, ["v%d" % i]))
        last = "v%d" % i
    graph = helper.make_graph(made, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
                              [onnx.ValueInfoProto(name=last)],
                              [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    add(name, model, {"x": x})


def joined():
    """Scales, activations and products in every order: what one absorbs, another must not take for what it was."""
    x, w, ten = f32(2, 5, 5), f32(2, 5, 5) * np.float32(0.3), np.float32(3)
    for act in ("Tanh", "Relu", "Sigmoid", "Neg"):
        low = act.lower()
        chain("scale_%s_product" % low, x, "Mul k", act, "MatMul w", k=ten, w=w)
        chain("product_%s_scale" % low, x, "MatMul w", act, "Mul k", k=ten, w=w)
        chain("scaled_itself_%s" % low, x, "Mul k", act, "MatMul v1", k=ten)
        chain("divide_%s_itself" % low, x, "Div k", act, "~MatMul x", k=ten)
        chain("product_scale_%s_product" % low, x, "MatMul x", "Mul k", act, "MatMul x", k=ten)
        chain("turned_scale_%s" % low, x, "Transpose", "Mul k", act, "Transpose", "MatMul x", k=ten)
    chain("scale_scale", x, "Mul k", "Mul k", "MatMul x", "Mul k", k=ten)
    chain("scale_add_product", x, "Mul k", "Add w", "Relu", "MatMul x", "Div k", k=ten, w=w)


def spell(name, inputs, *nodes, out=None, **constants):
    """Nodes as "y = Op a b", attributes after a colon in Python's words; the last one's output, or `out`, is the model's."""
    made = []
    for spec in nodes:
        spec, _, attrs = spec.partition(":")
        result, _, call = spec.partition("=")
        op, *operands = call.split()
        made.append(helper.make_node(op, operands, [result.strip()], **eval("dict(%s)" % attrs)))
    outputs = out or [made[-1].output[0]]
    graph = helper.make_graph(made, "g", [helper.make_tensor_value_info(k, kind(v), list(v.shape)) for k, v in inputs.items()],
                              [onnx.ValueInfoProto(name=o) for o in outputs],
                              [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    add(name, model, inputs)


def gelus():
    one, half, cube, root, bend = (np.float32(v) for v in (1, 0.5, 3, math.sqrt(2 / math.pi), 0.044715))
    x, y = f32(3, 50) * np.float32(2), f32(3, 50)
    gate = ["c = Pow x cube", "b = Mul c bend", "s = Add x b", "t = Mul s root", "h = Tanh t", "g = Add h one"]
    given = dict(one=one, half=half, cube=cube, root=root, bend=bend)
    spell("gelu_tanh_half_first", {"x": x}, "f = Mul x half", *gate, "z = Mul f g", **given)
    spell("gelu_tanh_half_last", {"x": x}, *gate, "f = Mul g x", "z = Mul half f", **given)
    spell("gelu_tanh_half_gate", {"x": x}, *gate, "f = Mul g half", "z = Mul x f", **given)
    product = ["d = Mul x x", "c = Mul x d"] + gate[1:]
    spell("gelu_tanh_products", {"x": x}, *product, "f = Mul x half", "z = Mul f g", **dict(given, cube=one))
    spell("gelu_tanh_of_others", {"x": x, "y": y}, *gate, "f = Mul y half", "z = Mul f g", **given)
    spell("gelu_tanh_bent_more", {"x": x}, *gate, "f = Mul x half", "z = Mul f g", **dict(given, bend=np.float32(0.05)))
    spell("gelu_tanh_of_squares", {"x": x}, *gate, "f = Mul x half", "z = Mul f g", **dict(given, cube=np.float32(2)))
    spell("gelu_tanh_gate_kept", {"x": x}, *gate, "f = Mul x half", "z = Mul f g", out=["z", "g"], **given)
    wide = ["r = Div x two", "e = Erf r", "g = Add one e"]
    given = dict(one=one, half=half, two=np.float32(math.sqrt(2)))
    spell("gelu_erf_half_gate", {"x": x}, *wide, "f = Mul half g", "z = Mul f x", **given)
    spell("gelu_erf_half_last", {"x": x}, *wide, "f = Mul x g", "z = Mul f half", **given)


def attentions():
    b, h, d, n, m = 2, 2, 4, 40, 37
    q, k, v = f32(b, n, h, d), f32(b, m, h, d), f32(b, m, h, d)
    given = {"q": q, "k": k, "v": v}
    turned = ["p = Transpose q: perm=[0, 2, 1, 3]", "l = Transpose k: perm=[0, 2, 3, 1]", "w = Transpose v: perm=[0, 2, 1, 3]"]
    score = turned + ["s = MatMul p l", "t = Div s root"]
    mix = ["a = Softmax u: axis=-1", "o = MatMul a w", "z = Transpose o: perm=[0, 2, 1, 3]"]
    root = np.float32(math.sqrt(d))
    far = np.float32(-10000)
    some = RNG.random_sample((n, m)) < 0.6
    some[:, 0] = True
    spell("attention", given, *score, "a = Softmax t: axis=-1", *mix[1:], root=root)
    spell("attention_heads_apart", given, *score, "a = Softmax t: axis=3", mix[1], root=root)
    for name, shape in (("keys", (b, 1, 1, m)), ("rows", (n, m)), ("all", (b, h, n, m)), ("one", (1,)), ("column", (n, 1))):
        mask = f32(*shape)
        spell("attention_add_" + name, dict(given, mask=mask), *score, "u = Add t mask", *mix, root=root)
        spell("attention_added_" + name, given, *score, "u = Add mask t", *mix, root=root, mask=mask)
    for name, mask in (("rows", some), ("keys", some[:1].reshape(1, 1, 1, m)), ("batch", np.stack([some, some[::-1]])[:, None])):
        spell("attention_where_" + name, dict(given, mask=mask), *score, "u = Where mask t far", *mix, root=root, far=far)
        spell("attention_where_not_" + name, dict(given, mask=~mask), *score, "u = Where mask far t", *mix, root=root,
              far=np.float32(-np.inf))
    spell("attention_where_expanded", dict(given, mask=~some[:1].reshape(1, 1, 1, m)), *score, "e = Expand mask size",
          "c = Cast e: to=9", "u = Where c far t", *mix, root=root, far=far, size=np.int64([b, h, n, m]))
    spell("attention_scaled_query", given, *turned, "y = Div p root", "s = MatMul y l", "a = Softmax s: axis=-1", *mix[1:], root=root)
    spell("attention_scaled_weights", given, *score, "a = Softmax t: axis=-1", "y = Mul a root", "o = MatMul y w", root=root)
    spell("attention_weights_kept", given, *score, "u = Identity t", *mix, out=["z", "a"], root=root)
    spell("attention_scores_kept", given, *score, "u = Add t far", *mix, out=["z", "s"], root=root, far=far)
    spell("attention_other_axis", given, *score, "a = Softmax t: axis=1", "o = MatMul a w", root=root)
    spell("attention_weights_turned", given, *score, "a = Softmax t: axis=-1", "y = Transpose a: perm=[0, 1, 3, 2]",
          "i = Transpose q: perm=[0, 2, 1, 3]", "o = MatMul y i", root=root)
    spell("attention_values_turned", dict(given, v=f32(b, h, d, m)), *score[:2], *score[3:], "a = Softmax t: axis=-1",
          "w = Transpose v: perm=[0, 1, 3, 2]", "o = MatMul a w", root=root)
    spell("attention_one_query", dict(given, q=f32(b, 1, h, d)), *score, "a = Softmax t: axis=-1", *mix[1:], root=root)
    flat = {"q": f32(4, 33, 20), "k": f32(4, 65, 20), "v": f32(4, 65, 35)}
    spell("attention_three_axes", flat, "l = Transpose k: perm=[0, 2, 1]", "s = MatMul q l", "a = Softmax s: axis=-1",
          "o = MatMul a v", "z = Transpose o: perm=[1, 0, 2]")
    spell("attention_two_axes", {"q": f32(33, 20), "k": f32(65, 20), "v": f32(65, 35)}, "l = Transpose k: perm=[1, 0]",
          "s = MatMul q l", "a = Softmax s: axis=-1", "o = MatMul a v")


def spelled():
    """Small nodes that spell an operator, and what only looks like it."""
    gelus()
    attentions()


def i32(*values):
    return np.array(values, np.int32)


def without_present(name):
    """The latest case where nobody asks for the present: ONNX Runtime needs it to look at the past."""
    _, raw, inputs, outputs = CASES[-1]
    model = onnx.load_from_string(raw)
    del model.graph.output[1:]
    del model.graph.node[0].output[1:]
    CASES.append((name, model.SerializeToString(), inputs, {"o0": outputs["o0"]}))


def heads_with_past():
    """MultiHeadAttention: past and present, padding, one direction, keys that were there before."""
    b, s, k, h, d, dv = 2, 4, 6, 3, 5, 7
    q, key, v = f32(b, s, h * d), f32(b, k, h * d), f32(b, k, h * dv)
    own, own_v, past, past_v = f32(b, s, h * d), f32(b, s, h * d), f32(b, h, 3, d), f32(b, h, 3, d)

    def mha(name, inputs, n_out=1, **more):
        ms("mha_" + name, "MultiHeadAttention", inputs, n_out, num_heads=h, **more)

    mha("present", [q, key, v], 3)
    mha("present_bias", [q, key, v, f32(2 * h * d + h * dv)], 3)
    mha("past", [q, own, own_v, None, None, None, past, past_v], 3)
    without_present("ms_mha_past_alone")
    mha("past_bias", [q, own, own_v, f32(3 * h * d), None, f32(2, h, s, 7), past, past_v], 3)
    mha("past_dynamic", [q, own, own_v, None, None, None, past, past_v], 3, dynamic=True)
    mha("one_direction", [q, own, own_v], unidirectional=1)
    mha("one_direction_past", [q, own, own_v, None, None, None, past, past_v], 3, unidirectional=1)
    mha("one_direction_scores", [q, own, own_v, None, None, f32(1, 1, s, 7), past, past_v], 3, unidirectional=1, scale=0.7)
    mha("padding_ends", [q, key, v, None, i32(4, 6)])
    mha("padding_keys", [q, key, v, None, i32(1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0).reshape(2, 6)])
    mha("padding_filter", [q, key, v, None, i32(1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0).reshape(2, 6)], mask_filter_value=-3.5)
    mha("padding_pairs", [q, key, v, None, RNG.randint(0, 2, (b, s, k)).astype(np.int32)])
    mha("padding_left", [q, own, own_v, None, i32(0, 0, 1, 1, 1, 1, 1, 1).reshape(2, 4)], unidirectional=1,
        mask_filter_value=-30.0)
    mha("padding_past", [q, own, own_v, None, i32(0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0).reshape(2, 7), None, past, past_v], 3)
    mha("padding_scores", [q, key, v, None, i32(1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0).reshape(2, 6), f32(1, h, s, k)])
    mha("apart", [q, f32(b, h, k, d), f32(b, h, k, d)])
    mha("one_query", [q[:, :1].copy(), own[:, :1].copy(), own_v[:, :1].copy(), None, None, None, past, past_v], 3)
    mha("wide", [f32(1, 33, 2 * h * 8), f32(1, 33, 2 * h * 8), f32(1, 33, 2 * h * 8)], unidirectional=1)


def self_attention():
    b, s, h, d, wide = 2, 5, 3, 4, 6
    x, w, bias = f32(b, s, wide), f32(wide, 3 * h * d) * np.float32(0.4), f32(3 * h * d)
    past = f32(2, b, h, 3, d)

    def att(name, inputs, n_out=1, constant=(1, 2), **more):
        ms("self_" + name, "Attention", inputs, n_out, constant=constant, num_heads=h, **more)

    att("plain", [x, w, bias])
    att("variable", [x, w, bias], constant=())
    att("dynamic", [x, w, bias], dynamic=True)
    att("present", [x, w, bias], 2)
    att("past", [x, w, bias, None, past], 2)
    att("past_direction", [x, w, bias, None, past], 2, unidirectional=1)
    att("scores", [x, w, bias, None, None, f32(b, 1, s, s)], scale=0.2)
    att("direction", [x, w, bias], unidirectional=1)
    att("ends", [x, w, bias, i32(3, 5)])
    att("ends_starts", [x, w, bias, i32(4, 5, 1, 2)])
    att("ends_direction", [x, w, bias, i32(3, 5)], unidirectional=1)
    att("starts_direction", [x, w, bias, i32(5, 5, 2, 0)], unidirectional=1, mask_filter_value=-30.0)
    att("keys", [x, w, bias, i32(1, 1, 1, 0, 0, 1, 0, 1, 1, 1).reshape(2, 5)])
    att("keys_filter", [x, w, bias, i32(1, 1, 1, 0, 0, 1, 0, 1, 1, 1).reshape(2, 5)], mask_filter_value=-2.0)
    att("keys_past", [x, w, bias, RNG.randint(0, 2, (b, 8)).astype(np.int32), past], 2)
    att("keys_past_direction", [x, w, bias, i32(0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1).reshape(2, 8), past], 2,
        unidirectional=1)
    att("pairs", [x, w, bias, RNG.randint(0, 2, (b, s, s)).astype(np.int32)])
    att("none_left", [x, w, bias, np.zeros((b, s), np.int32)], mask_filter_value=-30.0)
    att("widths", [x, f32(wide, 2 * h * d + h * 7), f32(2 * h * d + h * 7)], qkv_hidden_sizes=[h * d, h * d, h * 7])


def turns(length, half):
    angle = np.arange(length)[:, None] * (0.7 ** np.arange(half))[None]
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def grouped_attention():
    h, kv, d = 4, 2, 16
    cos, sin = turns(16, d // 2)

    def gqa(name, b, s, past, lengths, total, room=None, packed=False, rotary=False, more=(), constant=(6, 7, 8), n_out=3, part=None,
            **attrs):
        room = past if room is None else room
        q = f32(b, s, (h + 2 * kv if packed else h) * d)
        inputs = [q, None if packed else f32(b, s, kv * d), None if packed else f32(b, s, kv * d),
                  f32(b, kv, room, d), f32(b, kv, room, d), i32(*lengths), i32(total),
                  cos[:, :part].copy() if rotary else None, sin[:, :part].copy() if rotary else None] + list(more)
        while inputs[-1] is None:
            inputs.pop()
        ms("group_" + name, "GroupQueryAttention", inputs, n_out, constant=[c for c in constant if c < len(inputs) and inputs[c] is not None],
           num_heads=h, kv_num_heads=kv, do_rotary=int(rotary), **attrs)

    gqa("prompt", 1, 5, 0, [4], 5)
    gqa("prompt_two", 2, 5, 0, [4, 4], 5)
    gqa("prompt_ragged", 2, 5, 0, [4, 2], 5)
    gqa("prompt_packed", 1, 5, 0, [4], 5, packed=True)
    gqa("prompt_rotary", 1, 5, 0, [4], 5, rotary=True)
    gqa("prompt_rotary_packed", 2, 5, 0, [4, 3], 5, packed=True, rotary=True)
    gqa("prompt_rotary_inter", 1, 5, 0, [4], 5, rotary=True, rotary_interleaved=1)
    gqa("token", 1, 1, 6, [6], 7)
    without_present("ms_group_token_alone")
    gqa("token_variable", 1, 1, 6, [6], 7, constant=())
    gqa("token_dynamic", 1, 1, 6, [6], 7, constant=(), dynamic=True)
    gqa("token_two", 2, 1, 6, [6, 6], 7)
    gqa("token_ragged", 2, 1, 6, [6, 3], 7)
    gqa("token_rotary", 2, 1, 6, [6, 4], 7, rotary=True, packed=True)
    gqa("token_rotary_inter", 2, 1, 6, [6, 4], 7, rotary=True, rotary_interleaved=1)
    gqa("token_roomy", 1, 1, 6, [4], 5, rotary=True)
    gqa("more", 1, 3, 6, [8], 9, rotary=True)
    gqa("window", 1, 5, 0, [4], 5, local_window_size=2)
    gqa("window_one", 1, 4, 0, [3], 4, local_window_size=1)
    gqa("window_token", 2, 1, 6, [6, 3], 7, local_window_size=3)
    gqa("window_more", 1, 3, 6, [8], 9, local_window_size=4, rotary=True)
    gqa("softcap", 1, 5, 0, [4], 5, softcap=0.8)
    gqa("softcap_token", 2, 1, 6, [6, 3], 7, softcap=1.5, local_window_size=4)
    gqa("smooth", 1, 5, 0, [4], 5, smooth_softmax=1)
    gqa("sinks", 2, 1, 6, [6, 3], 7, more=[None, None, f32(h)])
    gqa("scores", 1, 5, 0, [4], 5, more=[None, f32(1, h, 5, 5)])
    gqa("scores_token", 2, 1, 6, [6, 6], 7, more=[None, f32(1, 1, 1, 7)])
    gqa("scale", 1, 5, 0, [4], 5, scale=0.9)
    gqa("places", 1, 3, 6, [8], 9, rotary=True, more=[np.array([[6, 7, 8]])])


# Writing.  ------------------------------------------------------------------------------------

def piece(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def value(array):
    array = np.asarray(array)
    if array.dtype == object or array.dtype.kind in "US":
        return piece(b"STR" + struct.pack("<B%dq" % array.ndim, array.ndim, *array.shape) +
                     b"".join(piece(s) for s in array.reshape(-1)))
    stream = io.BytesIO()
    np.save(stream, np.require(array, requirements="C"))
    return piece(stream.getvalue())


def main():
    global CASES
    makers = {"recurrent": recurrent, "ml": machine_learning, "ml_refused": refusals,
              "microsoft": microsoft, "joined": joined, "spelled": spelled}
    for family in sys.argv[1:] or makers:
        CASES = []
        makers[family]()
        with open(os.path.join(HERE, "data", family + ".bin"), "wb") as out:
            for name, model, inputs, outputs in CASES:
                out.write(piece(name) + piece(model))
                for values in (inputs, outputs):
                    out.write(struct.pack("<I", len(values)) + b"".join(piece(k) + value(v) for k, v in values.items()))
        print("%s: %d cases" % (family, len(CASES)))


main()
