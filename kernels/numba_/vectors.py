"""Vectors: a few neighbouring lanes as one value, which the processor works on at once.

A pass that is written with them reads like one for a single trial, keeps what it works out in
registers, and becomes the same kind of instructions on every processor: nothing depends on whether
the compiler finds out that a loop can be vectorised.  A vector holds doubles, or unsigned integers
of 64 bits; comparisons give a mask.  Numbers are spread over all lanes where they meet vectors.
Every lane gets what a single number would get, to the bit.
"""

import math
import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.imputils import lower_builtin, lower_cast
from numba.extending import (
    intrinsic,
    models,
    overload,
    register_model,
    type_callable,
)

from fastroute.kernels.numba_.instruction_set import instruction_set

#: Lanes of a vector.
VECTOR: Final = 8 if instruction_set() == "AVX-512" else 4
#: The same as an offset, and where the first vector is.
WIDE: Final = np.uint64(VECTOR)
ZERO: Final = np.uint64(0)

# Without instructions for masks, LLVM narrows a mask to half its width wherever more than one
# selection reads it, and widens it again: four instructions in a chain. Those of AVX that compare
# and select leave it as wide as the doubles.
_WIDE_MASKS: Final = instruction_set() == "AVX2"
_BIT: Final = ir.IntType(1)
_WORD: Final = ir.IntType(64)
_MASKS: Final = ir.VectorType(_WORD if _WIDE_MASKS else _BIT, VECTOR)
_F8S: Final = ir.VectorType(ir.DoubleType(), VECTOR)
#: Bits of 2**20, whose last binary place is 2**-32.
_UNIT: Final = 0x4130000000000000


class Vector(types.Type):  # type: ignore[misc]  # numba is not typed
    """Type of a vector: ``element`` is float64 or uint64."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Vector({element}, {VECTOR})")

    def unify(self, context: Any, other: Any) -> Any:
        """Numbers become vectors where the two meet in a variable."""
        return self if isinstance(other, types.Number) else None


class Mask(types.Type):  # type: ignore[misc]  # numba is not typed
    """Type of a vector of truth values."""

    def __init__(self) -> None:
        super().__init__(name=f"Mask({VECTOR})")


DOUBLES: Final = Vector(types.float64)
WORDS: Final = Vector(types.uint64)
MASK: Final = Mask()


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]  # numba is not typed
    def __init__(self, manager: Any, kind: Any) -> None:
        element = manager[kind.element].get_value_type()
        super().__init__(manager, kind, ir.VectorType(element, VECTOR))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):  # type: ignore[misc]  # numba is not typed
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _MASKS)


def _spread(context: Any, builder: Any, value: Any, given: Any, kind: Any) -> Any:
    """Return a value as one of ``kind``: a number in all lanes, a vector as it is."""
    if given == kind:
        return value
    element = types.boolean if kind == MASK else kind.element
    value = context.cast(builder, value, given, element)
    if kind == MASK and _WIDE_MASKS:
        value = builder.sext(value, _WORD)
    whole = context.get_value_type(kind)
    start = builder.insert_element(ir.Constant(whole, ir.Undefined), value, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), None)
    return builder.shuffle_vector(start, ir.Constant(whole, ir.Undefined), zeros)


def _lane(number: int) -> Any:
    return ir.IntType(32)(number)


@lower_cast(types.Number, Vector)
def _cast(context, builder, given, kind, value):
    return _spread(context, builder, value, given, kind)


# --- Arithmetic -------------------------------------------------------------------------------


def _vector_of(*kinds: Any) -> Any:
    """Type of what comes of values of these types; None unless one is a vector."""
    vectors = [kind for kind in kinds if isinstance(kind, Vector)]
    others = [kind for kind in kinds if not isinstance(kind, Vector)]
    if not vectors or any(not isinstance(kind, types.Number | types.Boolean) for kind in others):
        return None
    return vectors[0] if all(kind == vectors[0] for kind in vectors) else None


def _define(function: Any, count: int, build: Callable[..., Any], of: Any, gives: Any) -> None:
    """Let Numba know a function of ``count`` values: ``build(builder, kind, *values)``.

    ``of`` finds the common type of the arguments, and ``gives`` is the type of the result, None
    for the same.
    """

    def typer(context):
        def one(x):
            kind = of(x)
            return None if kind is None else gives or kind

        def two(x, y):
            kind = of(x, y)
            return None if kind is None else gives or kind

        return one if count == 1 else two

    type_callable(function)(typer)

    def lower(context, builder, signature, values):
        kind = of(*signature.args)
        spread = [
            _spread(context, builder, value, given, kind)
            for value, given in zip(values, signature.args, strict=True)
        ]
        return build(builder, kind, *spread)

    some = types.Number if of is _vector_of else types.Boolean
    whole = Vector if of is _vector_of else Mask
    for kinds in ((whole,),) if count == 1 else ((whole, whole), (whole, some), (some, whole)):
        lower_builtin(function, *kinds)(lower)


def _pick(floating: str, whole: str) -> Callable[..., Any]:
    """Build an instruction, by whether the lanes are doubles."""

    def build(builder, kind, x, y):
        return getattr(builder, floating if kind == DOUBLES else whole)(x, y)

    return build


# Numbers of the comparisons of AVX; where there is no number, only != holds.
_SIGNS: Final = {"==": 0, "!=": 4, "<": 17, "<=": 18, ">=": 29, ">": 30}


def _of_avx(builder: Any, name: str, gives: Any, *values: Any) -> Any:
    """Call an instruction of AVX."""
    kind = ir.FunctionType(gives, [value.type for value in values])
    return builder.call(builder.module.declare_intrinsic(f"llvm.x86.avx.{name}", (), kind), values)


def _compare(sign: str) -> Callable[..., Any]:
    def build(builder, kind, x, y):
        if kind == WORDS:
            held = builder.icmp_unsigned(sign, x, y)
            return builder.sext(held, _MASKS) if _WIDE_MASKS else held
        if _WIDE_MASKS:
            number = ir.IntType(8)(_SIGNS[sign])
            return builder.bitcast(_of_avx(builder, "cmp.pd.256", _F8S, x, y, number), _MASKS)
        return _ordered(builder, sign, x, y)

    return build


def _ordered(builder: Any, sign: str, x: Any, y: Any) -> Any:
    ordered = builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered
    return ordered(sign, x, y)


def _unary(name: str) -> Callable[..., Any]:
    def build(builder, kind, x):
        whole = ir.FunctionType(x.type, [x.type])
        found = builder.module.declare_intrinsic(f"{name}.v{VECTOR}f64", (), whole)
        return builder.call(found, [x])

    return build


def _smaller(builder, kind, x, y):
    return builder.select(_ordered(builder, "<", y, x), y, x)


def _larger(builder, kind, x, y):
    return builder.select(_ordered(builder, ">", y, x), y, x)


for _function, _build in {
    operator.add: _pick("fadd", "add"),
    operator.sub: _pick("fsub", "sub"),
    operator.mul: _pick("fmul", "mul"),
    operator.truediv: _pick("fdiv", "udiv"),
    operator.and_: _pick("and_", "and_"),
    operator.or_: _pick("or_", "or_"),
    operator.xor: _pick("xor", "xor"),
    operator.rshift: _pick("lshr", "lshr"),
    min: _smaller,
    max: _larger,
}.items():
    _define(_function, 2, _build, _vector_of, None)
for _function, _sign in {
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
}.items():
    _define(_function, 2, _compare(_sign), _vector_of, MASK)
_define(operator.neg, 1, lambda builder, kind, x: builder.fneg(x), _vector_of, None)
_define(operator.pos, 1, lambda builder, kind, x: x, _vector_of, None)
_define(abs, 1, _unary("llvm.fabs"), _vector_of, None)
_define(math.sqrt, 1, _unary("llvm.sqrt"), _vector_of, None)


# Bits of the mantissa of a double, those of 0.5, and those of 2**52.
_MANTISSA: Final = 0x000FFFFFFFFFFFFF
_HALF: Final = 0x3FE0000000000000
_UNIT_52: Final = 0x4330000000000000


@intrinsic
def _split(context, x):
    """Return m in [0.5, 1) and e as doubles, with ``x = m 2^e``, for normal numbers above 0."""

    def build(context, builder, signature, values):
        def words(number):
            return ir.Constant(ir.VectorType(_WORD, VECTOR), [number] * VECTOR)

        bits = builder.bitcast(values[0], ir.VectorType(_WORD, VECTOR))
        mantissa = builder.or_(builder.and_(bits, words(_MANTISSA)), words(_HALF))
        # The exponent as the fraction of a double between 2**52 and 2**53.
        power = builder.or_(builder.lshr(bits, words(52)), words(_UNIT_52))
        bias = ir.Constant(_F8S, [2.0**52 + 1022.0] * VECTOR)
        parts = (
            builder.bitcast(mantissa, _F8S),
            builder.fsub(builder.bitcast(power, _F8S), bias),
        )
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(DOUBLES, 2)(DOUBLES), build


@overload(math.frexp, inline="always")
def _frexp_of_vector(x):
    if x != DOUBLES:
        return None
    parts: Any = _split
    return lambda x: parts(x)


# --- Masks ------------------------------------------------------------------------------------


def _mask_of(*kinds: Any) -> Any:
    masks = [kind for kind in kinds if isinstance(kind, Mask)]
    if not masks or any(not isinstance(kind, Mask | types.Boolean) for kind in kinds):
        return None
    return MASK


for _function, _name in {
    operator.and_: "and_",
    operator.or_: "or_",
    operator.xor: "xor",
    operator.ne: "xor",
}.items():
    _define(
        _function,
        2,
        lambda builder, kind, x, y, name=_name: getattr(builder, name)(x, y),
        _mask_of,
        None,
    )
_define(operator.eq, 2, lambda builder, kind, x, y: builder.not_(builder.xor(x, y)), _mask_of, None)
_define(operator.invert, 1, lambda builder, kind, x: builder.not_(x), _mask_of, None)


@intrinsic
def select(context, condition, x, y):
    """Return ``x`` where the condition holds, else ``y``; both are worked out.

    Also for numbers, where Numba's own selection may become a branch and a masked store.
    """
    kind = context.unify_types(x, y)
    if condition == MASK:
        kind = DOUBLES
    held = MASK if condition == MASK else types.boolean

    def build(context, builder, signature, values):
        taken, other = (
            context.cast(builder, value, given, kind)
            for value, given in zip(values[1:], signature.args[1:], strict=True)
        )
        when = values[0]
        if condition != held:
            when = context.cast(builder, when, signature.args[0], held)
        if held == MASK and _WIDE_MASKS:
            # Nothing is left of one side where it is 0.
            taken, other = (builder.bitcast(value, _MASKS) for value in (taken, other))
            both = builder.or_(builder.and_(when, taken), builder.and_(builder.not_(when), other))
            return builder.bitcast(both, _F8S)
        return builder.select(when, taken, other)

    return kind(condition, x, y), build


@intrinsic
def _count(context, mask):
    def build(context, builder, signature, values):
        if _WIDE_MASKS:
            signs = builder.bitcast(values[0], _F8S)
            bits = _of_avx(builder, "movmsk.pd.256", ir.IntType(32), signs)
        else:
            bits = builder.bitcast(values[0], ir.IntType(VECTOR))
        return builder.zext(builder.ctpop(bits), _WORD)

    return types.int64(MASK), build


def count_lanes(mask: Any) -> Any:
    """Lanes in which a mask holds."""
    return np.count_nonzero(mask)


@overload(count_lanes, inline="always")
def _count_where(mask):
    found: Any = _count
    return lambda mask: found(mask)


# --- Memory -----------------------------------------------------------------------------------


def _at(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Pointer to an entry of a flat array."""
    made = context.make_array(kind)(context, builder, array)
    return builder.gep(made.data, [offset])


@intrinsic
def _load(context, array, offset):
    def build(context, builder, signature, values):
        whole = context.get_value_type(DOUBLES)
        start = _at(context, builder, array, values[0], values[1])
        return builder.load(builder.bitcast(start, whole.as_pointer()), align=8)

    return DOUBLES(array, types.uint64), build


@intrinsic
def _store(context, array, offset, value):
    def build(context, builder, signature, values):
        whole = context.get_value_type(DOUBLES)
        start = _at(context, builder, array, values[0], values[1])
        spread = _spread(context, builder, values[2], value, DOUBLES)
        builder.store(spread, builder.bitcast(start, whole.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.uint64, value), build


@intrinsic
def _gather(context, array, offsets):
    def build(context, builder, signature, values):
        made = context.make_array(array)(context, builder, values[0])
        found = ir.Constant(context.get_value_type(DOUBLES), ir.Undefined)
        for k in range(VECTOR):
            offset = builder.extract_element(values[1], _lane(k))
            found = builder.insert_element(
                found, builder.load(builder.gep(made.data, [offset])), _lane(k)
            )
        return found

    return DOUBLES(array, WORDS), build


@intrinsic
def _scatter(context, array, offsets, value):
    def build(context, builder, signature, values):
        made = context.make_array(array)(context, builder, values[0])
        spread = _spread(context, builder, values[2], value, DOUBLES)
        for k in range(VECTOR):
            offset = builder.extract_element(values[1], _lane(k))
            builder.store(
                builder.extract_element(spread, _lane(k)), builder.gep(made.data, [offset])
            )
        return context.get_dummy_value()

    return types.void(array, WORDS, value), build


@intrinsic
def _broadcast(context, number):
    def build(context, builder, signature, values):
        return _spread(context, builder, values[0], number, DOUBLES)

    return DOUBLES(number), build


@intrinsic
def _numbers(context):
    def build(context, builder, signature, values):
        return ir.Constant(context.get_value_type(WORDS), [_WORD(k) for k in range(VECTOR)])

    return WORDS(), build


@intrinsic
def _whole(context, number):
    def build(context, builder, signature, values):
        if number == DOUBLES:
            short, long = (ir.VectorType(ir.IntType(bits), VECTOR) for bits in (32, 64))
        else:
            short, long = ir.IntType(32), _WORD
        return builder.zext(builder.fptosi(values[0], short), long)

    return (WORDS if number == DOUBLES else types.uint64)(number), build


@intrinsic
def _as_double(context, bits):
    def build(context, builder, signature, values):
        return builder.bitcast(values[0], context.get_value_type(signature.return_type))

    return (DOUBLES if bits == WORDS else types.float64)(bits), build


def load(w: Any, offset: Any) -> Any:
    """Return the numbers of neighbouring lanes, from an offset on."""
    return w[int(offset) : int(offset) + VECTOR].copy()


def store(w: Any, offset: Any, value: Any) -> None:
    """Write the numbers of neighbouring lanes, from an offset on."""
    w[int(offset) : int(offset) + VECTOR] = value


def add(w: Any, offset: Any, value: Any) -> None:
    """Add to the numbers of neighbouring lanes, from an offset on."""
    store(w, offset, load(w, offset) + value)


def gather(w: Any, offsets: Any) -> Any:
    """Return the numbers at the offsets of the lanes."""
    return w[offsets]


def scatter(w: Any, offsets: Any, value: Any) -> None:
    """Write the numbers at the offsets of the lanes, all of them different."""
    w[offsets] = value


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


@overload(load, inline="always")
def _load_lanes(w, offset):
    read: Any = _load
    return lambda w, offset: read(w, offset)


@overload(store, inline="always")
def _store_lanes(w, offset, value):
    write: Any = _store
    return lambda w, offset, value: write(w, offset, value)


@overload(add, inline="always")
def _add_lanes(w, offset, value):
    read: Any = _load
    write: Any = _store
    return lambda w, offset, value: write(w, offset, read(w, offset) + value)


@overload(gather, inline="always")
def _gather_lanes(w, offsets):
    read: Any = _gather
    return lambda w, offsets: read(w, offsets)


@overload(scatter, inline="always")
def _scatter_lanes(w, offsets, value):
    write: Any = _scatter
    return lambda w, offsets, value: write(w, offsets, value)


@overload(broadcast, inline="always")
def _broadcast_number(number):
    fill: Any = _broadcast
    return lambda number: fill(number)


@overload(lane_numbers, inline="always")
def _lane_numbers():
    numbers: Any = _numbers
    return lambda: numbers()


@overload(index, inline="always")
def _index(number):
    whole: Any = _whole
    return lambda number: whole(number)


@overload(unit, inline="always")
def _unit(bits):
    as_double: Any = _as_double
    # The bits are the fraction of a double between 2**20 and 2**21.
    return lambda bits: as_double(bits | np.uint64(_UNIT)) - 1048576.0


# --- Functions of the library of C, one lane after the other ----------------------------------


def _elementwise(function: Any) -> None:
    """Let a function of one number take a vector."""

    @intrinsic
    def each(context, vector):
        def build(context, builder, signature, values):
            one = types.float64(types.float64)
            call = context.get_function(function, one)
            found = ir.Constant(context.get_value_type(DOUBLES), ir.Undefined)
            for k in range(VECTOR):
                value = call(builder, [builder.extract_element(values[0], _lane(k))])
                found = builder.insert_element(found, value, _lane(k))
            return found

        return DOUBLES(vector), build

    @overload(function)
    def _of_vector(x):
        if x == DOUBLES:
            return lambda x: each(x)
        return None


for _function in (math.exp, math.log, math.log1p, math.expm1):
    _elementwise(_function)
