"""Vectors: a few neighbouring lanes as one value, which the processor works on at once.

A pass that is written with them reads like one for a single trial, keeps what it works out in
registers, and becomes the same kind of instructions on every processor: nothing depends on whether
the compiler finds out that a loop can be vectorised.  A vector holds doubles, or unsigned integers
of 64 bits; comparisons give a mask.  Numbers are spread over all lanes where they meet vectors.
Every lane gets what a single number would get, to the bit.

The functions at the end, and the names of formulas, are plain Python, which works on arrays where
nothing is compiled; Numba is told of the instructions that stand for them.
"""

import math
import operator
from collections.abc import Callable
from itertools import product
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.imputils import lower_builtin, lower_cast
from numba.extending import models, register_model, type_callable

from fastroute.kernels.formulas import names
from fastroute.kernels.numba_.instruction_set import instruction_set

#: Lanes of a vector.
VECTOR: Final = 8 if instruction_set() == "AVX-512" else 4
#: The same as an offset, and where the first vector is.
WIDE: Final = np.uint64(VECTOR)
ZERO: Final = np.uint64(0)

# Without instructions for masks, LLVM narrows a mask to half its width wherever more than one
# selection reads it, and widens it again: four instructions in a chain. Those of AVX that compare
# leave it as wide as the doubles.
_WIDE_MASKS: Final = instruction_set() == "AVX2"
_BIT: Final = ir.IntType(1)
_WORD: Final = ir.IntType(64)
_MASKS: Final = ir.VectorType(_WORD if _WIDE_MASKS else _BIT, VECTOR)
_F8: Final = ir.DoubleType()
_F8S: Final = ir.VectorType(_F8, VECTOR)
_U8S: Final = ir.VectorType(_WORD, VECTOR)
#: Bits of 2**20, whose last binary place is 2**-32.
_UNIT: Final = 0x4130000000000000
# Bits of the fraction of a double, those of 0.5, and those of 2**52.
_FRACTION: Final = 0x000FFFFFFFFFFFFF
_HALF: Final = 0x3FE0000000000000
_WHOLE: Final = 0x4330000000000000


class Vector(types.Type):
    """Type of a vector: ``element`` is float64 or uint64."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Vector({element}, {VECTOR})")

    def unify(self, context: Any, other: Any) -> Any:
        """Numbers become vectors where the two meet in a variable."""
        return self if isinstance(other, types.Number) else None


class Mask(types.Type):
    """Type of a vector of truth values."""

    def __init__(self) -> None:
        super().__init__(name=f"Mask({VECTOR})")


DOUBLES: Final = Vector(types.float64)
WORDS: Final = Vector(types.uint64)
MASK: Final = Mask()


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _F8S if kind == DOUBLES else _U8S)


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _MASKS)


def _lane(number: int) -> Any:
    return ir.IntType(32)(number)


def _undefined(whole: Any) -> Any:
    return ir.Constant(whole, ir.Undefined)


def _spread(context: Any, builder: Any, value: Any, given: Any, kind: Any) -> Any:
    """Return a value as one of ``kind``: a number in all lanes, a vector as it is."""
    if given == kind:
        return value
    if not isinstance(kind, Vector | Mask):
        return context.cast(builder, value, given, kind)
    element = types.boolean if isinstance(kind, Mask) else kind.element
    value = context.cast(builder, value, given, element)
    if kind == MASK and _WIDE_MASKS:
        value = builder.sext(value, _WORD)
    whole = context.get_value_type(kind)
    start = builder.insert_element(_undefined(whole), value, _lane(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), None)
    return builder.shuffle_vector(start, _undefined(whole), zeros)


@lower_cast(types.Number, Vector)
def _cast(context, builder, given, kind, value):
    return _spread(context, builder, value, given, kind)


def _register(function: Any, count: int, result: Callable[..., Any], build: Any) -> None:
    """Tell Numba of a function of ``count`` values.

    Parameters
    ----------
    function : callable
    count : int
    result : callable
        From the types of the values to that of the result, None where the function is another's.
    build : callable
        ``(context, builder, signature, values)`` returns the code.
    """

    def typer(context):
        def found(*kinds):
            return result(*(types.unliteral(kind) for kind in kinds))

        return (
            lambda: found(),
            lambda x: found(x),
            lambda x, y: found(x, y),
            lambda x, y, z: found(x, y, z),
        )[count]

    type_callable(function)(typer)
    if not isinstance(function, np.ufunc):
        lower_builtin(function, types.VarArg(types.Any))(build)
        return
    # Numba has code for functions of NumPy of anything, which counts unless something fits better.
    for kinds in product((Vector, types.Number), repeat=count):
        if Vector in kinds:
            lower_builtin(function, *kinds)(build)


# --- Arithmetic -------------------------------------------------------------------------------


def _of_vectors(*kinds: Any) -> Any:
    """Type of what comes of vectors and numbers; None unless one is a vector."""
    vectors = [kind for kind in kinds if isinstance(kind, Vector)]
    numbers = all(isinstance(kind, Vector | types.Number | types.Boolean) for kind in kinds)
    alike = numbers and vectors and all(kind == vectors[0] for kind in vectors)
    return vectors[0] if alike else None


def _of_masks(*kinds: Any) -> Any:
    """Type of what comes of masks and truth values; None unless one is a mask."""
    known = all(isinstance(kind, Mask | types.Boolean) for kind in kinds)
    return MASK if known and MASK in kinds else None


def _of_either(*kinds: Any) -> Any:
    return _of_vectors(*kinds) or _of_masks(*kinds)


def _of_any(*kinds: Any) -> Any:
    """Type of what comes of numbers or vectors."""
    if all(isinstance(kind, types.Number | types.Boolean) for kind in kinds):
        return types.int64 if all(isinstance(k, types.Integer) for k in kinds) else types.float64
    return _of_vectors(*kinds)


def _define(
    function: Any, count: int, of: Callable[..., Any], build: Callable[..., Any], gives: Any = None
) -> None:
    """Tell Numba of a function whose values are of one type, found by ``of``.

    ``build(builder, kind, *values)``; the result is of the same type, or ``gives``.
    """

    def result(*kinds):
        kind = of(*kinds)
        return None if kind is None else gives or kind

    def lower(context, builder, signature, values):
        kind = of(*map(types.unliteral, signature.args))
        spread = (
            _spread(context, builder, value, given, kind)
            for value, given in zip(values, signature.args, strict=True)
        )
        return build(builder, kind, *spread)

    _register(function, count, result, lower)


def _pick(floating: str, whole: str) -> Callable[..., Any]:
    """Build an instruction, by whether the values are doubles."""

    def build(builder, kind, *values):
        doubles = kind in (DOUBLES, types.float64)
        return getattr(builder, floating if doubles else whole)(*values)

    return build


def _call(builder: Any, name: str, gives: Any, *values: Any) -> Any:
    """Call an intrinsic function of LLVM."""
    kind = ir.FunctionType(gives, [value.type for value in values])
    return builder.call(builder.module.declare_intrinsic(f"llvm.{name}", (), kind), values)


# Numbers of the comparisons of AVX; where there is no number, only != holds.
_COMPARISONS: Final = {"==": 0, "!=": 4, "<": 17, "<=": 18, ">=": 29, ">": 30}


def _compare(sign: str) -> Callable[..., Any]:
    def build(builder, kind, x, y):
        if kind == MASK:
            differ = builder.xor(x, y)
            return differ if sign == "!=" else builder.not_(differ)
        if kind == WORDS:
            held = builder.icmp_unsigned(sign, x, y)
            return builder.sext(held, _MASKS) if _WIDE_MASKS else held
        if _WIDE_MASKS:
            number = ir.IntType(8)(_COMPARISONS[sign])
            return builder.bitcast(_call(builder, "x86.avx.cmp.pd.256", _F8S, x, y, number), _MASKS)
        return _holds(builder, kind, sign, x, y)

    return build


def _holds(builder: Any, kind: Any, sign: str, x: Any, y: Any) -> Any:
    if kind == types.int64:
        return builder.icmp_signed(sign, x, y)
    ordered = builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered
    return ordered(sign, x, y)


def _second_if(sign: str) -> Callable[..., Any]:
    """Build what Python's ``min`` and ``max`` are: the second value if it is smaller, or larger."""

    def build(builder, kind, x, y):
        return builder.select(_holds(builder, kind, sign, y, x), y, x)

    return build


def _root(name: str) -> Callable[..., Any]:
    def build(builder, kind, x):
        lanes = f"v{VECTOR}f64" if kind == DOUBLES else "f64"
        return _call(builder, f"{name}.{lanes}", x.type, x)

    return build


def _same(builder, kind, x):
    return x


for _function, _build in {
    operator.add: _pick("fadd", "add"),
    operator.sub: _pick("fsub", "sub"),
    operator.mul: _pick("fmul", "mul"),
    operator.truediv: _pick("fdiv", "udiv"),
    operator.rshift: _pick("lshr", "lshr"),
    min: _second_if("<"),
    max: _second_if(">"),
}.items():
    _define(_function, 2, _of_vectors, _build)
for _function, _name in {
    operator.and_: "and_",
    operator.or_: "or_",
    operator.xor: "xor",
}.items():
    _define(_function, 2, _of_either, _pick(_name, _name))
for _function, _sign in {
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}.items():
    _define(_function, 2, _of_vectors, _compare(_sign), MASK)
_define(operator.eq, 2, _of_either, _compare("=="), MASK)
_define(operator.ne, 2, _of_either, _compare("!="), MASK)
_define(operator.neg, 1, _of_vectors, _pick("fneg", "neg"))
_define(operator.pos, 1, _of_vectors, _same)
_define(abs, 1, _of_vectors, _root("fabs"))
_define(math.sqrt, 1, _of_vectors, _root("sqrt"))
_define(operator.invert, 1, _of_masks, _pick("not_", "not_"))


# --- The names of formulas, of numbers too ----------------------------------------------------


def _doubles(*kinds: Any) -> Any:
    kind = _of_any(*kinds)
    return types.float64 if kind == types.int64 else kind


_define(names.minimum, 2, _of_any, _second_if("<"))
_define(names.maximum, 2, _of_any, _second_if(">"))
_define(names.sqrt, 1, _doubles, _root("sqrt"))
_define(names.quotient, 2, _doubles, _pick("fdiv", "fdiv"))
_define(names.rounded, 1, _of_any, _same)


def _chosen(condition: Any, x: Any, y: Any) -> Any:
    if condition == MASK:
        return DOUBLES
    return _of_any(x, y) if isinstance(condition, types.Boolean) else None


def _select(context, builder, signature, values):
    """Choose without a branch, which would become a masked store where one side is stored there."""
    condition, kind = signature.args[0], signature.return_type
    x, y = (
        _spread(context, builder, value, given, kind)
        for value, given in zip(values[1:], signature.args[1:], strict=True)
    )
    if condition != MASK or not _WIDE_MASKS:
        return builder.select(values[0], x, y)
    # Nothing is left of one side where it is 0.
    held, x, y = values[0], builder.bitcast(x, _MASKS), builder.bitcast(y, _MASKS)
    both = builder.or_(builder.and_(held, x), builder.and_(builder.not_(held), y))
    return builder.bitcast(both, _F8S)


_register(names.where, 3, _chosen, _select)


def _parts(context, builder, signature, values):
    """Split normal numbers above 0 into a fraction in [0.5, 1) and a power of 2, as doubles."""
    kind = signature.return_type.dtype
    doubles = context.get_value_type(kind)

    def bits(number):
        whole = WORDS if kind == DOUBLES else types.uint64
        return _spread(context, builder, _WORD(number), types.uint64, whole)

    x = _spread(context, builder, values[0], signature.args[0], kind)
    mine = builder.bitcast(x, _U8S if kind == DOUBLES else _WORD)
    fraction = builder.or_(builder.and_(mine, bits(_FRACTION)), bits(_HALF))
    # The exponent as the fraction of a double between 2**52 and 2**53.
    power = builder.bitcast(builder.or_(builder.lshr(mine, bits(52)), bits(_WHOLE)), doubles)
    offset = _spread(context, builder, _F8(2.0**52 + 1022.0), types.float64, kind)
    parts = builder.bitcast(fraction, doubles), builder.fsub(power, offset)
    return context.make_tuple(builder, signature.return_type, parts)


def _pair(of: Callable[..., Any]) -> Callable[..., Any]:
    def result(x):
        kind = of(x)
        return None if kind is None else types.UniTuple(kind, 2)

    return result


_register(names.frexp, 1, _pair(_doubles), _parts)
_register(math.frexp, 1, _pair(_of_vectors), _parts)


# --- Memory -----------------------------------------------------------------------------------


def _entry(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Pointer to an entry of a flat array."""
    made = context.make_array(kind)(context, builder, array)
    return builder.gep(made.data, [offset])


def _vector_at(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    return builder.bitcast(_entry(context, builder, kind, array, offset), _F8S.as_pointer())


def _of_array(gives: Any, count: int, at: Any) -> Callable[..., Any]:
    """Type of what reads from, or writes to, a flat array of doubles at offsets of a type."""

    def result(array, offset, *value):
        flat = isinstance(array, types.Array) and array.dtype == types.float64
        given = isinstance(offset, Vector) if at == WORDS else isinstance(offset, types.Integer)
        written = all(_doubles(kind) is not None for kind in value)
        return gives if flat and given and written and len(value) == count - 2 else None

    return result


def _read(context, builder, signature, values):
    array, offset = values
    offset = context.cast(builder, offset, signature.args[1], types.uint64)
    return builder.load(_vector_at(context, builder, signature.args[0], array, offset), align=8)


def _write(context, builder, signature, values):
    array, offset, value = values
    offset = context.cast(builder, offset, signature.args[1], types.uint64)
    spread = _spread(context, builder, value, signature.args[2], DOUBLES)
    builder.store(spread, _vector_at(context, builder, signature.args[0], array, offset), align=8)
    return context.get_dummy_value()


def _read_and_write(context, builder, signature, values):
    array, offset, value = values
    offset = context.cast(builder, offset, signature.args[1], types.uint64)
    spread = _spread(context, builder, value, signature.args[2], DOUBLES)
    place = _vector_at(context, builder, signature.args[0], array, offset)
    builder.store(builder.fadd(builder.load(place, align=8), spread), place, align=8)
    return context.get_dummy_value()


def _collect(context, builder, signature, values):
    found = _undefined(_F8S)
    for k in range(VECTOR):
        offset = builder.extract_element(values[1], _lane(k))
        number = builder.load(_entry(context, builder, signature.args[0], values[0], offset))
        found = builder.insert_element(found, number, _lane(k))
    return found


def _distribute(context, builder, signature, values):
    spread = _spread(context, builder, values[2], signature.args[2], DOUBLES)
    for k in range(VECTOR):
        offset = builder.extract_element(values[1], _lane(k))
        number = builder.extract_element(spread, _lane(k))
        builder.store(number, _entry(context, builder, signature.args[0], values[0], offset))
    return context.get_dummy_value()


def load(w: Any, offset: Any) -> Any:
    """Return the numbers of neighbouring lanes, from an offset on."""
    return w[int(offset) : int(offset) + VECTOR].copy()


def store(w: Any, offset: Any, value: Any) -> None:
    """Write the numbers of neighbouring lanes, from an offset on."""
    w[int(offset) : int(offset) + VECTOR] = value


def add(w: Any, offset: Any, value: Any) -> None:
    """Add to the numbers of neighbouring lanes, from an offset on."""
    w[int(offset) : int(offset) + VECTOR] += value


def gather(w: Any, offsets: Any) -> Any:
    """Return the numbers at the offsets of the lanes."""
    return w[offsets]


def scatter(w: Any, offsets: Any, value: Any) -> None:
    """Write the numbers at the offsets of the lanes; what several lanes write must be the same."""
    w[offsets] = value


_register(load, 2, _of_array(DOUBLES, 2, types.uint64), _read)
_register(store, 3, _of_array(types.none, 3, types.uint64), _write)
_register(add, 3, _of_array(types.none, 3, types.uint64), _read_and_write)
_register(gather, 2, _of_array(DOUBLES, 2, WORDS), _collect)
_register(scatter, 3, _of_array(types.none, 3, WORDS), _distribute)


# --- Conversions ------------------------------------------------------------------------------


def count_lanes(mask: Any) -> Any:
    """Lanes in which a mask holds."""
    return np.count_nonzero(mask)


def broadcast(number: Any) -> Any:
    """Return a vector with a number in every lane."""
    return np.full(VECTOR, float(number))


def lane_numbers() -> Any:
    """Return 0, 1, 2, ... for the lanes of a vector."""
    return np.arange(VECTOR, dtype=np.uint64)


def index(number: Any) -> Any:
    """Return a small whole number that is kept as a double, 0 or above, as an offset."""
    return np.asarray(number).astype(np.uint64)[()]


def unit(bits: Any) -> Any:
    """Return ``bits / 2**32``, for an unsigned integer of 32 bits."""
    return np.asarray(bits).astype(np.float64)[()] * 2.0**-32


def _count(context, builder, signature, values):
    if _WIDE_MASKS:
        signs = builder.bitcast(values[0], _F8S)
        bits = _call(builder, "x86.avx.movmsk.pd.256", ir.IntType(32), signs)
    else:
        bits = builder.bitcast(values[0], ir.IntType(VECTOR))
    return builder.zext(builder.ctpop(bits), _WORD)


def _whole(context, builder, signature, values):
    lanes = signature.return_type == WORDS
    short = ir.VectorType(ir.IntType(32), VECTOR) if lanes else ir.IntType(32)
    return builder.zext(builder.fptosi(values[0], short), _U8S if lanes else _WORD)


def _as_unit(context, builder, signature, values):
    # The bits are the fraction of a double between 2**20 and 2**21.
    gives = signature.return_type
    start = _spread(context, builder, _F8(2.0**20), types.float64, gives)
    one = _spread(context, builder, _WORD(_UNIT), types.uint64, signature.args[0])
    double = builder.bitcast(builder.or_(values[0], one), context.get_value_type(gives))
    return builder.fsub(double, start)


_register(count_lanes, 1, lambda mask: types.int64 if mask == MASK else None, _count)
_register(
    broadcast,
    1,
    lambda number: DOUBLES if isinstance(number, types.Number) else None,
    lambda context, builder, signature, values: _spread(
        context, builder, values[0], signature.args[0], DOUBLES
    ),
)
_register(
    lane_numbers,
    0,
    lambda: WORDS,
    lambda context, builder, signature, values: ir.Constant(_U8S, [*map(_WORD, range(VECTOR))]),
)
_register(index, 1, {DOUBLES: WORDS, types.float64: types.uint64}.get, _whole)
_register(unit, 1, {WORDS: DOUBLES, types.uint64: types.float64}.get, _as_unit)


# --- Functions that have no instruction, one lane after the other -----------------------------


def _lane_by_lane(function: Any, count: int, of: Any = None) -> None:
    """Let a function of numbers take vectors; ``of`` is what is called, if not the function."""

    def result(*kinds):
        kind = _of_vectors(*kinds) if of is None else _doubles(*kinds)
        return None if kind == WORDS else kind

    def build(context, builder, signature, values):
        kinds = [types.float64 if kind == DOUBLES else kind for kind in signature.args]
        call = context.get_function(of or function, types.float64(*kinds))
        if signature.return_type != DOUBLES:
            return call(builder, values)
        found = _undefined(_F8S)
        for k in range(VECTOR):
            lanes = [
                builder.extract_element(value, _lane(k)) if kind == DOUBLES else value
                for value, kind in zip(values, signature.args, strict=True)
            ]
            found = builder.insert_element(found, call(builder, lanes), _lane(k))
        return found

    _register(function, count, result, build)


_OF_ONE: Final[tuple[Any, ...]] = (
    *(math.exp, math.expm1, math.log, math.log1p, math.sin, math.cos, math.tan, math.tanh),
    *(np.sqrt, np.exp, np.expm1, np.log, np.log1p, np.tanh, np.abs),
)
_OF_TWO: Final[tuple[Any, ...]] = (operator.pow, math.pow, np.minimum, np.maximum, np.power)
for _known in _OF_ONE:
    _lane_by_lane(_known, 1)
for _known in _OF_TWO:
    _lane_by_lane(_known, 2)
_lane_by_lane(names.exp, 1, of=math.exp)
_lane_by_lane(names.log, 1, of=math.log)
