"""What kernels compiled for another instruction set give and are, in a process of its own::

    python tests/compiled.py bits      SHA-256 of results of StageRoute and routing LPs
    python tests/compiled.py all-bits  of every policy in every small world, and routing LPs
    python tests/compiled.py stores    masked stores in the assembly of every kernel

Each prints one JSON object. What to compile for is in the environment (``NUMBA_CPU_NAME``); the
last needs an empty ``NUMBA_CACHE_DIR``, because kernels that were kept have no assembly.
"""

import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

import fastroute as fr
from fastroute.bench.instruction_sets import compiled_for
from fastroute.bench.workloads import Problems, routing_problems
from fastroute.kernels.numba_ import passes, routing
from naive import SMALL_WORLDS
from record import of_array, of_policies

#: What runs by default, and whose kernels are looked at.
WORLD: Final = "retirement"
POLICY: Final = "stageroute"
ANOTHER: Final = "drift_plus_penalty"
#: LPs of a batch: whole blocks, and one that is not full.
LPS: Final = 1000
SIZES: Final = (2, 5, 16)


def few_bits() -> dict[str, str]:
    """Hash the results of StageRoute in one world, and of routing LPs."""
    return {**dict(of_policies([WORLD], [POLICY])), **dict(of_routing())}


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


def kernels() -> dict[str, Any]:
    """Compile what StageRoute, drift plus penalty and routing LPs need; all by name."""
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
    found = {}
    for kernel in [*passes._kept.values(), *inside]:
        if getattr(kernel, "signatures", None) and hasattr(kernel, "inspect_asm"):
            function = kernel.py_func
            module = function.__module__.removeprefix("fastroute.kernels.numba_.")
            found[f"{module}.{function.__qualname__}"] = kernel
    return found


def masked_stores() -> dict[str, int]:
    """Count the masked stores of every kernel."""
    store = re.compile(r"^\s*vp?maskmov\w*\s+%[xy]mm\d+, %[xy]mm\d+, ", re.MULTILINE)
    return {
        name: sum(len(store.findall(text)) for text in kernel.inspect_asm().values())
        for name, kernel in kernels().items()
    }


COMMANDS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "bits": few_bits,
    "all-bits": all_bits,
    "stores": masked_stores,
}


def main() -> None:
    """Print what the argument asks for."""
    warnings.simplefilter("ignore", fr.FastrouteWarning)
    found = COMMANDS[sys.argv[1]]()
    print(json.dumps({"instruction_set": compiled_for("numba"), "found": found}))


if __name__ == "__main__":
    main()
