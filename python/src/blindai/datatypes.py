"""Element types and tensors as BlindAI's clients know them."""

import struct
from enum import IntEnum

_NUMPY_HINT = "numpy is not installed; install it or use as_flat()"


class ModelDatumType(IntEnum):
    """Element type of a tensor; the numbers are BlindAI's."""

    F32 = 0
    F64 = 1
    I32 = 2
    I64 = 3
    U32 = 4
    U64 = 5
    U8 = 6
    U16 = 7
    I8 = 8
    I16 = 9
    Bool = 10
    UNKNOWN = -1


# type -> struct character, numpy name, torch name (None where torch has none), KServe name, spellings
_TABLE = {
    ModelDatumType.F32: ("f", "float32", "float32", "FP32", ("float32", "f32")),
    ModelDatumType.F64: ("d", "float64", "float64", "FP64", ("float64", "f64")),
    ModelDatumType.I32: ("i", "int32", "int32", "INT32", ("int32", "i32")),
    ModelDatumType.I64: ("q", "int64", "int64", "INT64", ("int64", "i64")),
    ModelDatumType.U32: ("I", "uint32", None, "UINT32", ("uint32", "u32")),
    ModelDatumType.U64: ("Q", "uint64", None, "UINT64", ("uint64", "u64")),
    ModelDatumType.U8: ("B", "uint8", "uint8", "UINT8", ("uint8", "u8")),
    ModelDatumType.U16: ("H", "uint16", None, "UINT16", ("uint16", "u16")),
    ModelDatumType.I8: ("b", "int8", "int8", "INT8", ("int8", "i8")),
    ModelDatumType.I16: ("h", "int16", "int16", "INT16", ("int16", "i16")),
    ModelDatumType.Bool: ("?", "bool", "bool", "BOOL", ("bool",)),
}
_BY_NAME = {spelling: t for t, row in _TABLE.items() for spelling in row[4]}
_BY_KSERVE = {row[3]: t for t, row in _TABLE.items()}


def _full_name(value):
    return "%s.%s" % (type(value).__module__, type(value).__qualname__)


def is_torch(value):
    return type(value).__module__.split(".")[0] == "torch" and hasattr(value, "numpy")


def is_numpy(value):
    return type(value).__module__.split(".")[0] == "numpy" and hasattr(value, "tobytes")


def datum_type(value):
    """The ModelDatumType that a name, a numpy or torch dtype, a number or a ModelDatumType means."""
    if isinstance(value, ModelDatumType):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return ModelDatumType(value)
    if isinstance(value, str):
        found = _BY_NAME.get(value.lower())
        if found is None:
            raise ValueError("Datum type %s is not understood." % value)
        return found
    if type(value).__module__.split(".")[0] == "torch":
        found = _BY_NAME.get(str(value).split(".")[-1])
        if found is None:
            raise ValueError("Torch dtype %s is not supported." % value)
        return found
    try:
        import numpy

        name = numpy.dtype(value).name
    except ImportError:
        raise ValueError("DatumType instance %s not supported" % _full_name(value)) from None
    except TypeError:
        raise ValueError("DatumType instance %s not supported" % _full_name(value)) from None
    found = _BY_NAME.get(name)
    if found is None:
        raise ValueError("Numpy dtype %s is not supported." % name)
    return found


def from_kserve(name):
    """The type that KServe V2 calls `name`."""
    if name not in _BY_KSERVE:
        raise ValueError("Datum type %s is not understood." % name)
    return _BY_KSERVE[name]


def to_kserve(value):
    return _TABLE[value][3]


def item_size(value):
    return struct.calcsize("<" + _TABLE[value][0])


def pack(flat, dtype):
    """Little-endian bytes of a flat list."""
    try:
        return struct.pack("<%d%s" % (len(flat), _TABLE[dtype][0]), *flat)
    except struct.error as error:
        raise ValueError("Invalid data for datum type %s: %s" % (dtype.name, error)) from None


class TensorInfo:
    """Shape (elements per axis), type and name of a tensor."""

    def __init__(self, dims=None, datum_type=ModelDatumType.F32, index=0, index_name="", fact=None, node_name=None):
        self.dims = list(dims if dims is not None else fact or [])
        self.datum_type = ModelDatumType(datum_type)
        self.index = index
        self.index_name = index_name or node_name or ""

    @property
    def fact(self):
        return self.dims

    @property
    def node_name(self):
        return self.index_name

    def __repr__(self):
        return "TensorInfo(dims=%r, datum_type=%s, index=%d, index_name=%r)" % (
            self.dims, self.datum_type.name, self.index, self.index_name)


class Tensor:
    """A dense, row-major tensor; `bytes_data` is little-endian."""

    def __init__(self, info, bytes_data):
        self.info, self.bytes_data = info, bytes_data
        count = 1
        for d in info.dims:
            count *= d
        if count * item_size(info.datum_type) != len(bytes_data):
            raise ValueError("Invalid data length: %d bytes for shape %s of %s"
                             % (len(bytes_data), tuple(info.dims), info.datum_type.name))

    @property
    def shape(self):
        return tuple(self.info.dims)

    @property
    def datum_type(self):
        return self.info.datum_type

    @property
    def name(self):
        return self.info.index_name

    def as_flat(self):
        """The elements as one list of Python numbers."""
        count = len(self.bytes_data) // item_size(self.datum_type)
        return list(struct.unpack("<%d%s" % (count, _TABLE[self.datum_type][0]), self.bytes_data))

    def as_numpy(self):
        """A numpy array of the tensor's shape."""
        try:
            import numpy
        except ImportError:
            raise ImportError(_NUMPY_HINT) from None
        array = numpy.frombuffer(self.bytes_data, dtype=numpy.dtype(_TABLE[self.datum_type][1]).newbyteorder("<"))
        return array.astype(array.dtype.newbyteorder("="), copy=True).reshape(self.shape)

    def as_torch(self):
        """A torch tensor of the tensor's shape; torch has no U16, U32 and U64."""
        if _TABLE[self.datum_type][2] is None:
            raise ValueError("Torch does not support datum type %s" % self.datum_type.name)
        try:
            import torch
        except ImportError:
            raise ImportError("torch not installed, please install with pip install blindai[torch]") from None
        return torch.from_numpy(self.as_numpy())

    def __repr__(self):
        return "Tensor(%r)" % self.info


def _flatten(value):
    """A nested list as one flat list and its shape; ragged ones are refused."""
    if not isinstance(value, (list, tuple)):
        return [value], []
    if not any(isinstance(item, (list, tuple)) for item in value):
        return list(value), [len(value)]
    parts = [_flatten(item) for item in value]
    if any(shape != parts[0][1] for _, shape in parts):
        raise ValueError("Given list is ragged")
    return [x for flat, _ in parts for x in flat], [len(value)] + parts[0][1]


def is_list_of_tensors(value):
    """True for a list or tuple of numpy, torch, Tensor or list items that are one tensor each."""
    return isinstance(value, (list, tuple)) and bool(value) and all(
        isinstance(v, Tensor) or is_numpy(v) and v.ndim > 0 or is_torch(v) and v.dim() > 0 for v in value)


def tensor(value, dtype=None, shape=None, name=""):
    """A Tensor of a numpy array, a torch tensor, a Tensor or a (nested) list.

    dtype  wanted type; for lists F32 when None, for arrays it must be the array's own
    shape  wanted shape; for lists it may have one -1; for arrays it must be the array's own
    """
    wanted = None if dtype is None else datum_type(dtype)
    if isinstance(value, Tensor):
        data, dims, found = value.bytes_data, list(value.shape), value.datum_type
    elif is_torch(value):
        found, dims = datum_type(value.dtype), list(value.shape)
        data = value.detach().cpu().contiguous().numpy().tobytes()
    elif is_numpy(value):
        found, dims = datum_type(value.dtype), list(value.shape)
        data = value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
    elif isinstance(value, (list, tuple, int, float, bool)):
        flat, dims = _flatten(value)
        for item in flat:
            if not isinstance(item, (int, float, bool)):
                raise ValueError("Input tensor has an unsupported type: %s" % _full_name(item))
        found = wanted = ModelDatumType.F32 if wanted is None else wanted
        if found in (ModelDatumType.F32, ModelDatumType.F64):
            flat = [float(x) for x in flat]
        data = pack(flat, found)
        if shape is not None:
            dims = fit_shape(len(flat), shape)
    else:
        raise ValueError("Input tensor has an unsupported type: %s" % _full_name(value))
    if wanted is not None and wanted != found:
        raise ValueError("Given tensor has dtype %s, but %s was expected." % (found.name, wanted.name))
    if shape is not None and not _matches(dims, shape):
        raise ValueError("Given tensor has shape %s, but %s was expected." % (tuple(dims), tuple(shape)))
    return Tensor(TensorInfo(dims, found, 0, name), data)


def _matches(dims, shape):
    return len(dims) == len(shape) and all(s < 0 or s == d for d, s in zip(dims, shape))


def fit_shape(count, shape):
    """The shape that `count` elements take where -1 axes are free: all free axes but the last become 1."""
    shape = [int(s) for s in shape]
    free = [i for i, s in enumerate(shape) if s < 0]
    for i in free[:-1]:
        shape[i] = 1
    fixed = 1
    for s in shape:
        fixed *= s if s >= 0 else 1
    if free and fixed and count % fixed == 0:
        shape[free[-1]] = count // fixed
    total = 1
    for s in shape:
        total *= s
    if total != count:
        raise ValueError("Invalid data length: %d elements do not fit shape %s" % (count, tuple(shape)))
    return shape
