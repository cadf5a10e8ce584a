"""What a study would take, before it runs."""

import json
import math
from typing import Final, NamedTuple

from fastroute.scenario.registry import is_own
from fastroute.simulate.ledger import QUANTITIES, STAGE_COLUMNS
from fastroute.study.cells import Cell, lay_out
from fastroute.study.executors import cores
from fastroute.study.grid import count_cells, points
from fastroute.study.schema import BLOCK, Study
from fastroute.study.status import span_text
from fastroute.study.work import run_shard

# Size of the probe that times a policy, and how many policies are timed.
_PROBE_ROUNDS: Final = 4096
_PROBE_TRIALS: Final = 256
_PROBES: Final = 8
# Bytes that Parquet takes for a number, measured on shards of all kinds.
_NUMBER: Final = 4.0
# The same for a bin of a sketch, and how the number of bins grows with the trials of a shard.
_BIN: Final = 2.0
_BINS: Final = (3.0, 0.65)
_FINALS: Final = 19


class Estimate(NamedTuple):
    """What a study would take.

    Attributes
    ----------
    cells, shards, rounds : int
        How many, the last being trial-rounds.
    seconds : float
        Of work on one core, from a probe of a few thousand rounds per policy.
    bytes : float
        On disk when complete. Shards, rounds, seconds and bytes are 0 or NaN where a scenario is a
        function of the user's own, which is not imported to find out.
    lines : list of str
        All this in words.
    """

    cells: int
    shards: int
    rounds: int
    seconds: float
    bytes: float
    lines: list[str]


def estimate(study: Study, executor: str = "threads", workers: int | None = None) -> Estimate:
    """Work out what a study would take, without writing anything.

    Parameters
    ----------
    study : Study
    executor, workers
        As in :func:`fastroute.run_study`; only how many there are is of interest.

    Raises
    ------
    StudyError
        When the study does not work.
    """
    study.check()
    own = [spec.name for spec in study.scenario if is_own(spec.name)]
    if own:
        return _without_scenarios(study, own)
    cells = lay_out(study.resolved())
    different = list({cell.key: cell for cell in cells}.values())
    shards = sum(-(-cell.trials // cell.shard_trials) for cell in different)
    rounds = sum(cell.rounds for cell in different)
    speeds = _speeds(different)
    usual = sum(speeds.values()) / len(speeds)
    seconds = sum(cell.rounds * speeds.get(_kind(cell), usual) for cell in different)
    size = sum(map(_bytes, different))
    many = workers or cores()
    whose = f"{many} {executor}" if not executor.startswith("dask://") else f"{many} cores"
    horizons = sorted({int(cell.settings["horizon"]) for cell in cells})
    trials = sorted({cell.trials for cell in cells})
    lines = [
        f"{study.name}: {len(cells):,} cells, {shards:,} shards",
        f"horizon {_ends(horizons)}, trials {_ends(trials)}, {rounds:.3g} trial-rounds",
        f"about {span_text(seconds / many)} on {whose} ({span_text(seconds)} of work at "
        f"{1e9 * seconds / rounds:.3g} ns per trial-round)",
        f"about {_size(size)} on disk",
    ]
    return Estimate(len(cells), shards, rounds, seconds, size, lines)


def _without_scenarios(study: Study, own: list[str]) -> Estimate:
    """Say what is known of a study without importing code of the user's."""
    cells = count_cells(study)
    points(study)  # refuses too many cells
    lines = [
        f"{study.name}: {cells:,} cells",
        f"{', '.join(dict.fromkeys(own))}: code of your own, which is not imported before the "
        "study runs; so there is no estimate of time and size",
    ]
    return Estimate(cells, 0, 0, math.nan, math.nan, lines)


def _kind(cell: Cell) -> str:
    """Name what the speed of a cell depends on most."""
    world = [cell.scenario_name, cell.settings["max_deployed"], cell.settings["backend"]]
    return json.dumps([cell.policy_options, world], sort_keys=True)


def _speeds(cells: list[Cell]) -> dict[str, float]:
    """Seconds per trial-round of a few kinds of cells, from a short run of each.

    Of every kind it is the cell with the most work that counts; short horizons are slower.
    """
    kinds: dict[str, Cell] = {}
    for cell in sorted(cells, key=lambda cell: cell.rounds, reverse=True):
        kinds.setdefault(_kind(cell), cell)
    speeds = {}
    for kind, cell in list(kinds.items())[:_PROBES]:
        horizon = min(int(cell.settings["horizon"]), _PROBE_ROUNDS)
        trials = min(cell.trials, cell.shard_trials, _PROBE_TRIALS)
        length = -(-cell.settings["horizon"] // cell.settings["stages"])
        job = cell.job(
            0,
            trials,
            horizon=horizon,
            trials=trials,
            stages=-(-horizon // length),
            checkpoints=min(cell.settings["checkpoints"], horizon),
        )
        # The first run meets cold caches.
        seconds = min(run_shard(job).facts["seconds"] for _ in range(2))
        speeds[kind] = seconds / (trials * horizon)
    return speeds


def _bytes(cell: Cell) -> float:
    """Bytes of the shards of a cell, and of its rows in the frames."""
    settings, kept = cell.settings, cell.kept
    points = len(QUANTITIES) * min(settings["checkpoints"], settings["horizon"])
    slots = min(settings["max_deployed"], len(cell.models)) / 4
    stages = settings["stages"] * (len(STAGE_COLUMNS) + slots)
    per_trial = 2 * _FINALS * _NUMBER
    per_block = per_shard = 0.0
    per_cell = 8 * points * _NUMBER
    if kept.moments:
        per_block += 2 * points * _NUMBER
        factor, power = _BINS
        per_shard += points * factor * kept.shard_trials**power * _BIN
    else:
        per_trial += points * _NUMBER
    if kept.means:
        per_block += stages * _NUMBER
    else:
        per_trial += 2 * stages * _NUMBER
    blocks = -(-cell.trials // BLOCK)
    shards = -(-cell.trials // kept.shard_trials)
    return cell.trials * per_trial + blocks * per_block + shards * per_shard + per_cell


def _ends(values: list[int]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


def _size(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"
