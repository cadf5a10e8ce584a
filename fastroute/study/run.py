"""Running a study."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastroute.study.build import build_policy, build_scenario
from fastroute.study.progress import reporter
from fastroute.study.schema import Study
from fastroute.study.store import FRAMES, RunDirectory, StoredStudy, complete_at

if TYPE_CHECKING:
    import polars as pl

    from fastroute.simulate import Run


@dataclass(frozen=True)
class StudyResult:
    """What a study found.

    Attributes
    ----------
    study : Study
        The resolved study.
    path : pathlib.Path
        The run directory.
    manifest : dict
        Versions, machine, seed, times and checksums.
    trials, curves, stages, summary : polars.DataFrame
        The frames of the runs with a column ``policy`` in front.
    runs : dict of str to Run
        The runs by label; empty when the study was already complete on disk.
    """

    study: Study
    path: Path
    manifest: dict[str, Any]
    trials: "pl.DataFrame"
    curves: "pl.DataFrame"
    stages: "pl.DataFrame"
    summary: "pl.DataFrame"
    runs: "dict[str, Run]" = field(default_factory=dict)

    @property
    def already_complete(self) -> bool:
        """Whether the results were on disk before, so that nothing had to run."""
        return not self.runs


def run_study(
    study: Study,
    out: str | os.PathLike[str] | None = None,
    *,
    threads: int | None = None,
    progress: bool = True,
) -> StudyResult:
    """Run every policy of a study on the same worlds and write the run directory.

    The frames of a policy are on disk as soon as it finishes, so an interrupted study keeps the
    policies that were done.

    Parameters
    ----------
    study : Study
        What to run.
    out : path-like, optional
        The run directory, new or empty. Default ``runs/NAME`` in the working directory, with a
        number behind it when that is taken. A directory that already holds this study, complete
        and undamaged, is read and returned; nothing runs.
    threads : int, optional
        Threads of each simulation; default all cores. The results do not depend on it.
    progress : bool
        Whether to report progress on standard error.

    Returns
    -------
    StudyResult
        The frames of all policies, and where they are.

    Raises
    ------
    StudyError
        When a name or an option is not known or a value is not allowed; nothing has run then.
    RunDirectoryError
        When `out` cannot be written to.
    ValueError
        When the scenario cannot be played in this setting, for example when no mix of models is
        within the budget.
    """
    from fastroute.simulate import simulate

    study.check()
    study = study.resolved()
    if out is not None and (stored := complete_at(study, out)) is not None:
        return _from_disk(stored)
    scenario = build_scenario(study.scenario.name, study.scenario.options)
    policies = {spec.label: build_policy(spec.name, spec.options) for spec in study.policy}
    setting = study.setting
    size = setting.horizon * setting.trials
    arguments = setting.model_dump()
    about = {
        "cost_unit": scenario.cost_unit,
        "note": scenario.note,
        "models": list(scenario.models),
    }
    directory = RunDirectory.create(study, about, out)
    runs: dict[str, Run] = {}
    try:
        with reporter(progress, len(policies), size) as report:
            for label, policy in policies.items():
                report.start(label)
                run = simulate(
                    scenario,
                    policy,
                    **arguments,
                    threads=threads,
                    progress=lambda done, total: report.advance(done / total),
                )
                report.advance(1.0)
                directory.add_policy(label, _tagged(run, label), _facts(run, size))
                runs[label] = run
        frames = _joint(runs)
        directory.finish(frames)
    except BaseException as error:
        # Also on Ctrl-C: say on disk that the study did not finish, then let it go on up.
        error.add_note(directory.stop())
        raise
    return StudyResult(study, directory.path, directory.manifest, **frames, runs=runs)


def _tagged(run: "Run", label: str) -> dict[str, "pl.DataFrame"]:
    """Return the frames of a run with the column ``policy`` in front."""
    import polars as pl

    summary = run.summary()
    frames = {"trials": run.trials, "curves": run.curves, "stages": run.stages}
    return {
        name: frame.select(pl.lit(label, dtype=pl.String).alias("policy"), pl.all())
        for name, frame in {**frames, "summary": summary}.items()
    }


def _joint(runs: "dict[str, Run]") -> dict[str, "pl.DataFrame"]:
    """Stack the frames of all runs."""
    import polars as pl

    tagged = [_tagged(run, label) for label, run in runs.items()]
    # Relaxed, because a column without any value in one run has no type there.
    return {
        name: pl.concat([frames[name] for frames in tagged], how="vertical_relaxed")
        for name in FRAMES
    }


def _facts(run: "Run", size: int) -> dict[str, Any]:
    """Return what the manifest keeps of a run."""
    return {
        "seconds": run.seconds,
        "ns_per_trial_round": 1e9 * run.seconds / size,
        "settings": dict(run.settings),
        "warnings": list(run.warnings),
    }


def _from_disk(stored: StoredStudy) -> StudyResult:
    frames = {name: getattr(stored, name).collect() for name in FRAMES}
    return StudyResult(stored.study, stored.path, stored.manifest, **frames)
