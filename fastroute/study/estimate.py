"""What a study would take, before it runs."""

import json
import math
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from fastroute.references import is_reference
from fastroute.simulation.blocks import BLOCK
from fastroute.simulation.plan import checkpoint_rounds
from fastroute.simulation.settings import Settings
from fastroute.study.cells import Cell, lay_out
from fastroute.study.executors import check_executor, cores
from fastroute.study.grid import count_cells, points
from fastroute.study.progress import make_reporter
from fastroute.study.schema import Study
from fastroute.study.shard import column_bytes
from fastroute.study.status import span_text
from fastroute.study.work import run_shard

# Size of the probe that times a policy, and how many policies are timed.
_PROBE_ROUNDS: Final = 4096
_PROBE_TRIALS: Final = 256
_PROBES: Final = 8
# Seconds of compiling that are worth a word.
_NOTICED: Final = 1.0
# How the bins of a sketch grow with the trials of a shard.
_BINS: Final = 0.65
# Bytes of a study without cells, of a cell in all frames but `curves`, and of a number there as
# against one in the curves of a trial.
_STUDY: Final = 40e3
_CELL: Final = 400.0
_IN_FRAME: Final = 0.7
# Numbers that the frame `curves` has for a quantity at a checkpoint.
_STATISTICS: Final = 7


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


def estimate(
    study: Study,
    executor: str = "threads",
    workers: int | None = None,
    *,
    progress: bool = False,
) -> Estimate:
    """Work out what a study would take, without writing anything.

    Parameters
    ----------
    study : Study
    executor, workers
        As in :func:`fastroute.run_study`; only how many there are is of interest.
    progress : bool
        Whether to report a plan that takes long on standard error.

    Raises
    ------
    StudyError
        When the study does not work.
    """
    check_executor(executor)
    study.check()
    own = [spec.name for spec in study.scenario if is_reference(spec.name)]
    if own:
        return _without_scenarios(study, own)
    with make_reporter(progress) as report:
        cells = lay_out(study.resolved(), report.plan)
    different = list({cell.key: cell for cell in cells}.values())
    shards = sum(-(-cell.trials // cell.shard_trials) for cell in different)
    rounds = sum(cell.rounds for cell in different)
    kinds = _kinds(different)
    probes = _probes(different, kinds)
    usual = sum(probe.seconds for probe in probes.values()) / len(probes)
    most = next(iter(probes.values()))
    seconds = size = 0.0
    for cell, kind in zip(different, kinds, strict=True):
        probe = probes.get(kind)
        seconds += cell.rounds * (usual if probe is None else probe.seconds)
        size += _bytes(cell, probe or most)
    size += _STUDY + _CELL * len(cells)
    many = workers or cores()
    whose = f"{many} {executor}" if not executor.startswith("dask://") else f"{many} cores"
    horizons = sorted({cell.settings.horizon for cell in cells})
    trials = sorted({cell.trials for cell in cells})
    lines = [
        f"{study.name}: {len(cells):,} cells, {shards:,} shards",
        f"horizon {_format_range(horizons)}, trials {_format_range(trials)}, "
        f"{rounds:.3g} trial-rounds",
        f"about {span_text(seconds / many)} on {whose} ({span_text(seconds)} of work at "
        f"{1e9 * seconds / rounds:.3g} ns per trial-round)",
        f"about {_size(size)} on disk, beside figures and report",
        *_compiling([probe.compiling for probe in probes.values()], len(set(kinds))),
    ]
    return Estimate(len(cells), shards, rounds, seconds, size, lines)


def _compiling(seconds: Sequence[float], kinds: int) -> list[str]:
    """Say how long it takes to compile kernels before the first round is played."""
    from fastroute.kernels.numba_.compile import keeps

    if sum(seconds) < _NOTICED:
        return []
    again = "done now and kept for the run" if keeps() else "in every process"
    left = kinds - len(seconds)
    more = f"; {left:,} more kinds of cells were not tried and may take some more" if left else ""
    return [f"and about {span_text(sum(seconds))} of compiling the first time, {again}{more}"]


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


def _kinds(cells: Sequence[Cell]) -> list[tuple[Any, ...]]:
    """Name what the speed and the size of each cell depend on most."""
    texts: dict[int, str] = {}  # of options that cells share
    kinds = []
    for cell in cells:
        options = texts.get(id(cell.policy_options))
        if options is None:
            options = json.dumps(cell.policy_options, sort_keys=True)
            texts[id(cell.policy_options)] = options
        settings, kept = cell.settings, cell.storage
        world = (cell.scenario_name, settings.max_deployed, settings.backend)
        kinds.append((options, *world, kept.moments, kept.means))
    return kinds


class _Probe(NamedTuple):
    """What a short run of a cell took."""

    seconds: float  #: per trial-round
    compiling: float  #: seconds before the first round, 0 where kernels were kept
    bytes: dict[str, float]  #: per unit, of each kind of columns of a shard; see `_units`


def _probes(cells: Sequence[Cell], kinds: Sequence[tuple[Any, ...]]) -> dict[Any, _Probe]:
    """Run a little of a few kinds of cells, those with the most work first.

    Of every kind it is the cell with the most work that counts; short horizons are slower.
    """
    order = sorted(range(len(cells)), key=lambda place: cells[place].rounds, reverse=True)
    chosen: dict[tuple[Any, ...], Cell] = {}
    for place in order:
        chosen.setdefault(kinds[place], cells[place])
    return {kind: _probe(cell) for kind, cell in list(chosen.items())[:_PROBES]}


def _probe(cell: Cell) -> _Probe:
    from fastroute.kernels.numba_.compile import made

    horizon = min(cell.settings.horizon, _PROBE_ROUNDS)
    trials = min(cell.trials, cell.shard_trials, _PROBE_TRIALS)
    length = -(-cell.settings.horizon // int(cell.settings.stages))
    job = cell.job(
        0,
        trials,
        horizon=horizon,
        trials=trials,
        stages=-(-horizon // length),
        checkpoints=min(cell.settings.checkpoints, horizon),
    )
    # The first run meets cold caches, and compiles what is not kept.
    before, started = made["compiled"], time.perf_counter()
    shards = [run_shard(job)]
    compiling = time.perf_counter() - started
    shards.append(run_shard(job))
    seconds = min(shard.facts["seconds"] for shard in shards)
    compiling = max(compiling - seconds, 0.0) if made["compiled"] > before else 0.0
    units = _units(job.settings, trials, trials)
    sizes = {kind: size / units[kind] for kind, size in column_bytes(shards[0].content).items()}
    return _Probe(seconds / (trials * horizon), compiling, sizes)


def _units(settings: Settings, trials: int, shard_trials: int) -> dict[str, float]:
    """Return what each kind of columns of the shards of a cell grows with."""
    points = len(checkpoint_rounds(settings.checkpoints, settings.horizon))
    stages, blocks, shards = int(settings.stages), -(-trials // BLOCK), -(-trials // shard_trials)
    return {
        "shard": shards,
        "models": shards,
        "trial": trials,
        "curve": trials * points,
        "stage": trials * stages,
        "block": blocks * points,
        "block_stages": blocks * stages,
        "block_models": blocks,
        "sketch": shards * points * min(trials, shard_trials) ** _BINS,
    }


def _bytes(cell: Cell, probe: _Probe) -> float:
    """Bytes of the shards of a cell, and of its rows in the frames."""
    units = _units(cell.settings, cell.trials, cell.shard_trials)
    shards = {kind: size * units[kind] for kind, size in probe.bytes.items()}
    # Trials, and stages of every trial, are in frames too.
    twice = shards["trial"] + shards.get("stage", 0.0)
    points = units["block"] / -(-cell.trials // BLOCK)
    number = probe.bytes.get("curve", probe.bytes.get("block", 0.0) / 2) * _IN_FRAME
    return sum(shards.values()) + twice + points * _STATISTICS * number


def _format_range(values: list[int]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


def _size(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"
