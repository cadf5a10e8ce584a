"""Record what every policy does, to the bit, and compare two records.

Before a change that must not alter results::

    python tests/record.py before.json

and after it, on the same machine and versions::

    python tests/record.py after.json
    python tests/record.py --compare before.json after.json

A record holds a SHA-256 for every array: picks, deployed sets, final values, curves and stages of
every registered policy in every small world of the tests, and all frames but the seconds of the
quickstart and of five packaged studies in their short form.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

import fastroute as fr
from fastroute.policies import POLICIES
from fastroute.study import Study, run_study
from naive import HORIZON, SMALL_WORLDS, can_play

STUDIES: Final = ("quickstart", "paper", "baselines", "context", "initialisation", "budget")
FRAMES: Final = ("trials", "curves", "stages", "summary")
#: Trials of a run: more than one block.
TRIALS: Final = 70


def of_array(array: Any) -> str:
    """Hash the type, the shape and the bytes of an array."""
    array = np.ascontiguousarray(array)
    about = f"{array.dtype.kind} {array.shape}".encode()
    # Whole numbers may become wider.
    values = array.astype(np.int64) if array.dtype.kind in "iub" else array
    return hashlib.sha256(about + values.tobytes()).hexdigest()


def of_run(run: fr.Run) -> Iterator[tuple[str, str]]:
    """Hash every array of a run with a trace."""
    yield "picks", of_array(run.picks)
    yield "sets", of_array(run.stage_sets)
    yield "stages", of_array(run.stage_array)
    for column, values in run.finals.items():
        yield f"trials/{column}", of_array(values)
    for column, values in run.arrays.items():
        yield f"curves/{column}", of_array(values)


def of_policies(
    worlds: Iterable[str] = SMALL_WORLDS, names: Iterable[str] = POLICIES
) -> Iterator[tuple[str, str]]:
    """Play policies in the small worlds that they can play."""
    for world in worlds:
        scenario, budget, max_deployed = SMALL_WORLDS[world]()
        trials = scenario.instances if scenario.instances > 1 else TRIALS
        for name in names:
            if not can_play(name, world):
                continue
            run = fr.simulate(
                scenario,
                fr.policy(name),
                horizon=HORIZON,
                budget=budget,
                max_deployed=max_deployed,
                trials=trials,
                seed=11,
                trace=True,
            )
            for array, found in of_run(run):
                yield f"{world}/{name}/{array}", found


def of_studies() -> Iterator[tuple[str, str]]:
    """Run packaged studies in their short form."""
    for name in STUDIES:
        study = Study.preset(name)
        study = study if study.quick_setting is None else study.quick()
        with tempfile.TemporaryDirectory() as folder:
            stored = run_study(study, Path(folder) / "run", progress=False)
            for frame in FRAMES:
                table = getattr(stored, frame).collect()
                for column in table.columns:
                    values = table.get_column(column)
                    text = json.dumps(values.to_list(), default=str)
                    yield f"{name}/{frame}/{column}", hashlib.sha256(text.encode()).hexdigest()


def compare(before: dict[str, str], after: dict[str, str]) -> int:
    """Print what differs; return 1 if anything that both have does."""
    for title, names in (
        ("only before", before.keys() - after.keys()),
        ("only after", after.keys() - before.keys()),
        ("different", {name for name in before.keys() & after if before[name] != after[name]}),
    ):
        print(f"{title}: {len(names)}")
        for name in sorted(names):
            print(f"  {name}")
    same = before.keys() & after.keys()
    return int(any(before[name] != after[name] for name in same))


def main() -> int:
    """Record, or compare two records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--compare", action="store_true", help="compare two records")
    parser.add_argument(
        "files", nargs="+", type=Path, help="the record to write, or two to compare"
    )
    given = parser.parse_args()
    if given.compare:
        before, after = (json.loads(file.read_text(encoding="utf-8")) for file in given.files)
        return compare(before, after)
    warnings.simplefilter("ignore", fr.FastrouteWarning)
    found = {**dict(of_policies()), **dict(of_studies())}
    given.files[0].write_text(json.dumps(found, indent=0), encoding="utf-8")
    print(f"{given.files[0]}: {len(found):,} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
