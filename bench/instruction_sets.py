"""Which vector instructions kernels are compiled for, and how to compile them for AVX2."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Final

#: What results say that do not name the instruction set of their cases.
NOT_RECORDED: Final = "instruction set not recorded"

# How XLA's option calls what holds it back -> the instruction set; from small to large.
_LIMITS: Final = {"SSE4_2": "SSE", "AVX": "AVX", "AVX2": "AVX2"}


@cache
def compiled_for(compiler: str) -> str:
    """Return the instruction set that a compiler of this process is told to use.

    Parameters
    ----------
    compiler : str
        ``"numba"``, ``"jax"``, or empty for what is not compiled by either.

    Returns
    -------
    str
        ``"AVX-512"``, ``"AVX2"``, ``"AVX"``, ``"SSE"``, ``"NEON"``, another architecture, or
        empty where no compiler is at work.
    """
    if compiler == "numba":
        from fastroute.kernels.numba_.instruction_set import instruction_set

        return instruction_set()
    return _of_jax() if compiler == "jax" else ""


def of_host() -> str:
    """Return the widest instruction set of this processor."""
    import llvmlite.binding as llvm

    from fastroute.kernels.numba_.instruction_set import of_target

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    return of_target(llvm.get_process_triple(), llvm.get_host_cpu_name(), features)


def _of_jax() -> str:
    """XLA compiles for the host, or for less where an option holds it back."""
    host = of_host()
    limits = re.findall(r"--xla_cpu_max_isa=(\w+)", os.environ.get("XLA_FLAGS", ""))
    order = [*_LIMITS.values(), "AVX-512"]
    limit = _LIMITS.get(limits[-1]) if limits else None
    if limit is None or host not in order:
        return host
    return min(host, limit, key=order.index)


def runs_avx2() -> bool:
    """Whether this processor runs what is compiled for AVX2."""
    return of_host() in ("AVX2", "AVX-512")


def second_set() -> str:
    """Return the set to measure beside the one that kernels are compiled for; empty for none."""
    return "AVX2" if compiled_for("numba") == "AVX-512" else ""


def for_avx2(folder: Path) -> dict[str, str]:
    """Return the variables with which a process compiles for AVX2.

    Parameters
    ----------
    folder : Path
        Where it keeps its compiled kernels.
    """
    return {
        # A processor with AVX2 and no AVX-512, and none of this machine's features besides.
        "NUMBA_CPU_NAME": "znver3",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(folder),
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa=AVX2".strip(),
    }
