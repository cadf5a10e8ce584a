"""Run the suites: once as they are, and the cases of ours again for another instruction set."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import fastroute.bench
from fastroute.bench.instruction_sets import for_avx2, second_set

SUITES: Final = ("routing", "deployment", "simulation", "startup", "online")
#: Suites with cases that are timed for each instruction set, and those of the smoke run.
_EACH_SET: Final = ("routing", "simulation")
_EACH_SET_SMOKE: Final = ("routing",)
# Exit codes of pytest: cases ended in an error; it was interrupted; no case was asked for.
SOME_FAILED, INTERRUPTED, _NONE = 1, 2, 5


def run_suites(suites: Sequence[str], file: Path, options: Sequence[str]) -> int:
    """Run suites, for the second instruction set too where there is one, and keep the results.

    Parameters
    ----------
    suites : sequence of str
    file : Path
        Where the results go.
    options : sequence of str
        For pytest, such as ``--full``.

    Returns
    -------
    int
        Exit code of pytest, of the run that failed where one did.
    """
    # Options of the user for pytest, such as many workers, would spoil the times.
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    code = _pytest(suites, file, options, environment)
    each_set = _EACH_SET_SMOKE if "--smoke" in options else _EACH_SET
    again = [name for name in suites if name in each_set]
    if code not in (0, SOME_FAILED) or not file.exists() or not again or not second_set():
        return code
    with tempfile.TemporaryDirectory() as folder:
        second = Path(folder, "results.json")
        environment.update(for_avx2(Path(folder, "kernels")))
        told = f"the cases of fastroute again, compiled for {second_set()}:"
        print(told, file=sys.stderr, flush=True)
        code_again = _pytest(again, second, [*options, "--each-set"], environment)
        if second.exists():
            data = [json.loads(path.read_text(encoding="utf-8")) for path in (file, second)]
            file.write_text(json.dumps(joined(*data), indent=1), encoding="utf-8")
    return code or code_again


def _pytest(
    suites: Sequence[str], file: Path, options: Sequence[str], environment: Mapping[str, str]
) -> int:
    """Run pytest on suites, its output on standard error, and return its exit code."""
    folder = Path(fastroute.bench.__file__).parent
    command = [
        *(sys.executable, "-m", "pytest", "-v", "--no-header", "--benchmark-quiet"),
        f"--benchmark-json={file}",
        # Its default makes a folder where the command was started.
        f"--benchmark-storage=file://{file.parent}",
        *options,
        *(str(folder / f"test_{name}.py") for name in suites),
    ]
    done = subprocess.run(command, stdout=sys.__stderr__, env=environment, check=False)
    return 0 if done.returncode == _NONE else done.returncode


def joined(first: dict[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of the first run, with the cases of the second under ``again``."""
    skipped = [*first["skipped"], *second["skipped"]]
    return {
        **first,
        "again": second["benchmarks"],
        "skipped": [skip for i, skip in enumerate(skipped) if skip not in skipped[:i]],
        "run": {
            **second["run"],
            "seconds": first["run"]["seconds"] + second["run"]["seconds"],
        },
    }
