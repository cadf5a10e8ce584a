"""What kernels compiled for another instruction set give and are, in a process of its own::

    python tests/compiled.py bits      SHA-256 of results of routing LPs
    python tests/compiled.py all-bits  of these, and of every policy in every small world
    python tests/compiled.py stores    masked stores in the assembly of every kernel
    python tests/compiled.py arm       vector instructions of every kernel on 64-bit ARM

Each prints one JSON object. What to compile for is in the environment (``NUMBA_CPU_NAME``). The
last two need an empty ``NUMBA_CACHE_DIR``, because kernels that were kept have no code to look at;
the last one also ``NUMBA_OPT=0``, because what was optimised for one processor is not what LLVM
makes for another, and ``NUMBA_CPU_NAME=x86-64``, because vectors for AVX2 use its instructions by
name.
"""

import json
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np
from numba.core.dispatcher import Dispatcher

import fastroute as fr
from fastroute.bench.instruction_sets import compiled_for
from fastroute.bench.workloads import Problems, routing_problems
from fastroute.kernels.numba_ import passes, routing
from naive import SMALL_WORLDS
from record import of_array, of_policies

#: What is played, so that there are kernels to look at.
WORLD: Final = "retirement"
POLICY: Final = "stageroute"
ANOTHER: Final = "drift_plus_penalty"
#: LPs of a batch: whole blocks, and one that is not full.
LPS: Final = 1000
SIZES: Final = (2, 5, 16)


def few_bits() -> dict[str, str]:
    """Hash the results of routing LPs, whose kernel is compiled in a moment."""
    return dict(of_routing())


def all_bits() -> dict[str, str]:
    """Hash the results of all policies in all worlds, and of routing LPs."""
    return {**dict(of_policies()), **dict(of_routing())}


def of_routing() -> Iterator[tuple[str, str]]:
    """Solve batches of routing LPs, some with models of equal reward or cost."""
    for size in SIZES:
        plain = routing_problems(size, LPS)
        tied = plain._replace(reward=np.round(plain.reward, 1), cost=np.round(plain.cost, 1) + 0.1)
        for name, problems in (("plain", plain), ("tied", tied)):
            yield from _of_batch(f"routing/{size}/{name}", problems)


def _of_batch(where: str, problems: Problems) -> Iterator[tuple[str, str]]:
    found = routing.solve(*problems[:4])
    for field in found._fields:
        yield f"{where}/{field}", of_array(getattr(found, field))


# --- Assembly ---------------------------------------------------------------------------------


def kernels() -> Iterator[tuple[str, Any]]:
    """Compile what StageRoute, drift plus penalty and routing LPs need; yield names and kernels."""
    for name in (POLICY, ANOTHER):
        scenario, budget, max_deployed = SMALL_WORLDS[WORLD]()
        settings: dict[str, Any] = {"budget": budget, "max_deployed": max_deployed}
        fr.simulate(scenario, fr.policy(name), horizon=20, trials=2, **settings)
    routing.solve(*routing_problems(5, LPS)[:4])
    inside = (
        value
        for name, module in list(sys.modules.items())
        if name.startswith("fastroute.kernels.numba_")
        for value in vars(module).values()
    )
    made = (kernel.function for kernel in passes.kernels.values() if "function" in vars(kernel))
    # A kernel is in every module that imports it.
    for kernel in dict.fromkeys([*made, *filter(_is_compiled, inside)]):
        module = kernel.py_func.__module__.removeprefix("fastroute.kernels.numba_.")
        yield f"{module}.{kernel.py_func.__qualname__}", kernel


def _is_compiled(value: Any) -> bool:
    return isinstance(value, Dispatcher) and bool(value.signatures)


def masked_stores() -> dict[str, int]:
    """Count the masked stores of every kernel."""
    # The mask, what is stored, and the place.
    store = re.compile(r"^\s*vp?maskmov\w*\s+%[xy]mm\d+, %[xy]mm\d+, ", re.MULTILINE)
    found: Counter[str] = Counter()
    for name, kernel in kernels():
        found[name] += sum(len(store.findall(text)) for text in kernel.inspect_asm().values())
    return dict(found)


#: Processors with NEON only, and with SVE.
ARM: Final = ("neoverse-n1", "neoverse-v1")


def arm_instructions() -> dict[str, dict[str, dict[str, int]]]:
    """Optimise and compile every kernel for ARM; count instructions on vectors, and on one float.

    Nothing is run: this shows which kernels LLVM makes vectors of, and not how fast they are.
    """
    kinds = {
        "vector": re.compile(r"^\s+\w+\s+(?:v\d+\.(?:2d|4s|2s)|z\d+\.[ds])", re.MULTILINE),
        "scalar": re.compile(r"^\s+f\w+\s+d\d+, d\d+", re.MULTILINE),
    }
    compiled = list(kernels())
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple("aarch64-unknown-linux-gnu")
    found: dict[str, dict[str, dict[str, int]]] = {}
    for processor in ARM:
        machine = target.create_target_machine(cpu=processor, opt=3)
        for name, kernel in compiled:
            text = "".join(_assembly(ir, machine) for ir in kernel.inspect_llvm().values())
            counts = {kind: len(line.findall(text)) for kind, line in kinds.items()}
            found.setdefault(processor, {})[name] = counts
    return found


def _assembly(ir: str, machine: Any) -> str:
    """Optimise as Numba does, and compile."""
    module = llvm.parse_assembly(ir)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization, tuning.slp_vectorization = True, False
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return str(machine.emit_assembly(module))


COMMANDS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "bits": few_bits,
    "all-bits": all_bits,
    "stores": masked_stores,
    "arm": arm_instructions,
}


def main() -> None:
    """Print what the argument asks for."""
    warnings.simplefilter("ignore", fr.FastrouteWarning)
    found = COMMANDS[sys.argv[1]]()
    print(json.dumps({"instruction_set": compiled_for("numba"), "found": found}))


if __name__ == "__main__":
    main()
