"""What the start-up and memory cases run in a process of its own: ``python child.py WHAT ...``.

Prints one JSON object. Imports nothing of fastroute at the top, because imports are measured.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Shared by all processes of the machine, so the parent's reading can be compared with it.
_STARTED = time.monotonic()


def main() -> None:
    """Do what the arguments ask for and print what was measured."""
    what, *numbers = sys.argv[1:]
    tasks: dict[str, Callable[..., dict[str, float]]]
    tasks = {"import": _import, "first": _first, "memory": _memory}
    print(json.dumps({"started": _STARTED, **tasks[what](*map(int, numbers))}))


def _import() -> dict[str, float]:
    started = time.perf_counter()
    import fastroute

    del fastroute
    return {"import_seconds": time.perf_counter() - started}


def _first() -> dict[str, float]:
    """Simulate a little; note when the first rounds were played and when there was a result."""
    import fastroute as fr
    from fastroute.bench.workloads import draw_workload

    place = draw_workload(15, 5)
    first: list[float] = []

    def progress(done: int, total: int) -> None:
        del total
        if done and not first:
            first.append(time.monotonic())

    run = fr.simulate(
        place.scenario,
        fr.policy("stageroute"),
        horizon=1000,
        budget=place.budget,
        max_deployed=5,
        trials=64,
        progress=progress,
    )
    run.summary()
    return {
        "first_rounds": first[0],
        "result": time.monotonic(),
        "compile_seconds": run.settings["compile_seconds"],
    }


def _peak() -> float:
    """Return the largest resident size of this process so far, in bytes."""
    # On Linux `getrusage` starts from the size of the process that started this one.
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (
            x for x in status.read_text(encoding="utf-8").splitlines() if x.startswith("VmHWM:")
        )
        return 1024.0 * int(line.split()[1])
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else 1024 * peak)


def _memory(horizon: int, trials: int, threads: int) -> dict[str, float]:
    """Simulate StageRoute, 5 of 15, and note the largest resident size before and after."""
    import fastroute as fr
    from fastroute.bench.workloads import draw_workload

    place = draw_workload(15, 5)

    def run(horizon: int, trials: int) -> None:
        fr.simulate(
            place.scenario,
            fr.policy("stageroute"),
            horizon=horizon,
            budget=place.budget,
            max_deployed=5,
            trials=trials,
            threads=threads,
        )

    run(10, 2)
    before = _peak()
    started = time.perf_counter()
    run(horizon, trials)
    return {
        "before_bytes": before,
        "peak_bytes": _peak(),
        "run_seconds": time.perf_counter() - started,
    }


if __name__ == "__main__":
    main()
