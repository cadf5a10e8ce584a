"""Which vector instructions the processor has that kernels are compiled for."""

import re
from functools import cache
from typing import Final

import llvmlite.binding as llvm
from numba.core.registry import cpu_target

# What sums eight whole numbers of 64 bits, in the assembly LLVM writes -> the instruction set. The
# first that is found counts.
_SIGNS: Final = (
    (r"\bvpaddq\b.*%zmm", "AVX-512"),
    (r"\bvpaddq\b.*%ymm", "AVX2"),
    (r"\bvpaddq\b", "AVX"),
    (r"\bpaddq\b", "SSE"),
    (r"\badd\s+v\d+\.2d", "NEON"),
)
_SUM: Final = """
define <8 x i64> @sum(<8 x i64> %a, <8 x i64> %b) {
  %c = add <8 x i64> %a, %b
  ret <8 x i64> %c
}
"""


@cache
def instruction_set() -> str:
    """Return the widest instruction set that Numba is told to use.

    It is found by letting LLVM compile a sum for the triple, the processor's name and its features
    that Numba gives, which also holds where the name alone says it.

    Returns
    -------
    str
        ``"AVX-512"``, ``"AVX2"``, ``"AVX"``, ``"SSE"``, ``"NEON"``, or another architecture.
    """
    return of_target(*cpu_target.target_context.codegen().magic_tuple())


def of_target(triple: str, name: str, features: str) -> str:
    """Return the widest instruction set that LLVM uses for a processor."""
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=name, features=features)
    module = llvm.parse_assembly(_SUM)
    module.triple = triple
    assembly = machine.emit_assembly(module)
    found = (called for sign, called in _SIGNS if re.search(sign, assembly))
    return next(found, triple.partition("-")[0])
