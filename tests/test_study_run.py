"""Running studies: the same frames whoever computes, in whatever order, and after whatever."""

import queue
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastroute as fr
from fastroute.study import RunDirectoryError, StoredStudy, Study, StudyError, load, run_study
from fastroute.study.estimate import estimate
from fastroute.study.work import Job, ShardResult, run_shard
from studies import Shuffled, assert_same_frames, contents, mini, stop_after

KINDS: dict[str, dict[str, Any]] = {
    "trials": {},
    "moments": {"curves": "moments", "stages": "means"},
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredStudy]:
    """Return the study as one thread runs it, for both kinds of store."""
    return {
        kind: run_study(
            mini(store=store),
            tmp_path_factory.mktemp(kind) / "run",
            executor=ThreadPoolExecutor(1),
            progress=False,
        )
        for kind, store in KINDS.items()
    }


def run(study: Study, path: Path, **options: Any) -> StoredStudy:
    return run_study(study, path, **{"workers": 2, "progress": False, **options})


def test_the_frames_are_those_of_single_simulations(undisturbed: dict[str, StoredStudy]) -> None:
    stored = undisturbed["trials"]
    cells = stored.cells.collect()
    assert cells["policy"].to_list() == ["stageroute", "uniform"] * 2
    assert cells["complete"].all()
    assert stored.shards_run == len(stored.shards.collect()) == 4 * 3
    for cell in cells.iter_rows(named=True):
        alone = fr.simulate(
            fr.scenario("static", n_models=4),
            fr.policy(cell["policy"]),
            **{k: cell[k] for k in ("horizon", "budget", "max_deployed", "stages", "trials")},
            seed=5,
            checkpoints=5,
        )
        for name, frame in (
            ("trials", alone.trials),
            ("curves", alone.curves),
            ("stages", alone.stages.drop("budget")),
            ("summary", alone.summary()),
        ):
            mine = getattr(stored, name).filter(cell=cell["cell"]).collect()
            assert mine.select(frame.columns).equals(frame)
            assert mine["policy"].unique().to_list() == [cell["policy"]]
            assert mine["horizon"].unique().to_list() == [cell["horizon"]]
        curve = stored.trial_curves.filter(cell=cell["cell"]).collect()
        arrays = alone.arrays
        assert curve["round"].to_list() == arrays["round"].tolist() * 150
        for quantity in ("regret", "cost"):
            assert curve[quantity].to_list() == arrays[quantity].ravel().tolist()


@pytest.mark.parametrize("kind", KINDS)
@given(
    seed=st.integers(0, 2**16),
    workers=st.integers(1, 7),
    shard_trials=st.sampled_from([64, 128, 192]),
)
@settings(max_examples=6)
def test_order_workers_and_size_of_shards_do_not_matter(
    undisturbed: dict[str, StoredStudy],
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    seed: int,
    workers: int,
    shard_trials: int,
) -> None:
    study = mini(store={**KINDS[kind], "shard_trials": shard_trials})
    with Shuffled(seed, workers) as executor:
        stored = run(study, tmp_path_factory.mktemp("x") / "run", executor=executor)
        assert len(executor.calls) == 4 * -(-150 // shard_trials)
    assert stored.complete
    assert_same_frames(stored, undisturbed[kind])


@pytest.mark.parametrize(
    ("executor", "kind"), [("threads", "trials"), ("threads", "moments"), ("processes", "trials")]
)
def test_executors_write_the_same_bytes(
    undisturbed: dict[str, StoredStudy], tmp_path: Path, kind: str, executor: str
) -> None:
    stored = run(mini(store=KINDS[kind]), tmp_path / "run", executor=executor)
    assert_same_frames(stored, undisturbed[kind])
    assert contents(stored.path) == contents(undisturbed[kind].path)
    assert stored.damaged() == []
    assert stored.manifest["sessions"][0]["executor"] == f"{executor} x 2"


def test_a_complete_study_is_not_run_again(
    undisturbed: dict[str, StoredStudy], tmp_path: Path
) -> None:
    path = shutil.copytree(undisturbed["trials"].path, tmp_path / "run")
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}
    with Shuffled() as executor:
        again = run(mini(), path, executor=executor)
        assert executor.calls == []
    assert again.shards_run == 0
    assert before == {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("changes", "shards"),
    [
        ({"setting": {"trials": 192}}, 4),
        ({"setting": {"trials": 151}}, 4),
        ({"setting": {"horizon": [60, 75, 90]}}, 2 * 3),
        ({"policy": [{"name": n} for n in ("uniform", "greedy", "stageroute")]}, 2 * 3),
        ({"scenario": [{"name": "static", "n_models": 4}, {"name": "static", "label": "b"}]}, 12),
        ({"store": {"stages": "means"}}, 0),
        ({"store": {"curves": "moments"}}, 0),
        # What was summed up in the middle of a block cannot be continued.
        ({"store": {"curves": "moments"}, "setting": {"trials": 300}}, 4 * 3),
        ({"policy": [{"name": "stageroute", "label": "other"}, {"name": "uniform"}]}, 0),
    ],
)
def test_a_study_is_extended_without_computing_anything_again(
    undisturbed: dict[str, StoredStudy], tmp_path: Path, changes: dict[str, Any], shards: int
) -> None:
    path = shutil.copytree(undisturbed["trials"].path, tmp_path / "run")
    extended = run(mini(**changes), path)
    assert extended.complete
    assert extended.shards_run == shards
    assert_same_frames(extended, run(mini(**changes), tmp_path / "fresh"))
    assert extended.damaged() == []
    assert len(extended.manifest["sessions"]) == 2
    # Nothing is left of shards that others took the place of.
    files = {file.relative_to(path).as_posix() for file in path.glob("shards/*/*")}
    assert files == set(
        extended.shards.select(
            pl.format("shards/{}/{}-{}.parquet", "key", "first", "stop")
        ).collect().to_series()
    )  # fmt: skip


def test_more_trials_compute_only_the_trials_that_are_new(
    undisturbed: dict[str, StoredStudy], tmp_path: Path
) -> None:
    path = shutil.copytree(undisturbed["trials"].path, tmp_path / "run")
    with Shuffled() as executor:
        run(mini(setting={"trials": 200}), path, executor=executor)
        jobs = sorted((job.first, job.stop) for job in executor.calls)
    assert jobs == sorted([(150, 192), (192, 200)] * 4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"setting": {"seed": 6}}, "setting.seed: 5 -> 6"),
        ({"setting": {"horizon": [60, 91]}}, "setting.horizon: [60, 90] -> [60, 91]"),
        ({"setting": {"trials": 149}}, "setting.trials: 150 -> 149"),
        ({"policy": [{"name": "stageroute"}]}, "policy[1]: { name ="),
        ({"scenario": {"name": "static", "n_models": 5}}, "scenario.n_models: 4 -> 5"),
    ],
)
def test_another_study_is_refused_and_told_what_differs(
    undisturbed: dict[str, StoredStudy], tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = shutil.copytree(undisturbed["trials"].path, tmp_path / "run")
    before = contents(path)
    with pytest.raises(RunDirectoryError) as caught:
        run(mini(**changes), path)
    assert words in str(caught.value)
    assert "Choose another directory" in str(caught.value)
    assert contents(path) == before
    assert_same_frames(load(path), undisturbed["trials"])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "flipped": flip,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("changes", [{}, {"setting": {"trials": 192}}])
def test_damaged_shards_are_found_reported_and_computed_again(
    undisturbed: dict[str, StoredStudy],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    damage: str,
    changes: dict[str, Any],
) -> None:
    path = shutil.copytree(undisturbed["trials"].path, tmp_path / "run")
    shards = sorted(path.glob("shards/*/0-64.parquet"))[:2]
    for shard in shards:
        DAMAGE[damage](shard)
    names = [shard.relative_to(path).as_posix() for shard in shards]
    assert sorted(load(path).damaged()) == names
    capfd.readouterr()
    stored = run(mini(**changes), path, progress=True)
    err = capfd.readouterr().err
    for name in names:
        assert f"{name}: missing or damaged, and computed again" in err
    assert stored.shards_run == 2 + (4 if changes else 0)
    assert stored.damaged() == []
    if not changes:
        assert_same_frames(stored, undisturbed["trials"])
        assert contents(path) == contents(undisturbed["trials"].path)


def test_asking_for_some_cells_reads_their_shards_only(
    undisturbed: dict[str, StoredStudy], tmp_path: Path
) -> None:
    path = shutil.copytree(undisturbed["trials"].path, tmp_path / "run")
    stored = load(path)
    whole = stored.trial_curves.collect()
    for row in stored.cells.filter(pl.col("cell") != 2).collect().iter_rows(named=True):
        shutil.rmtree(path / "shards" / row["key"])
    for frame in (
        stored.trial_curves.filter(cell=2),
        stored.trial_curves.filter(pl.col("horizon") > 60, policy="stageroute"),
    ):
        assert frame.collect().equals(whole.filter(cell=2))
    with pytest.raises(Exception, match="No such file"):
        stored.trial_curves.filter(pl.col("regret") > 0).collect()


def test_frames_that_do_not_fit_into_memory_are_the_same(
    undisturbed: dict[str, StoredStudy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastroute.study.finish._HELD_BYTES", 10_000)
    stored = run(mini(), tmp_path / "run")
    assert_same_frames(stored, undisturbed["trials"])
    assert not list(stored.path.glob(".*"))


@pytest.mark.parametrize("name", ["trials.parquet", "cells.parquet", "study.toml"])
def test_damaged_frames_are_written_again(
    undisturbed: dict[str, StoredStudy], tmp_path: Path, name: str
) -> None:
    path = shutil.copytree(undisturbed["trials"].path, tmp_path / "run")
    flip(path / name)
    stored = run(mini(), path)
    assert stored.shards_run == 0
    assert stored.damaged() == []
    assert contents(path) == contents(undisturbed["trials"].path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_done_before_an_interruption_is_kept(
    undisturbed: dict[str, StoredStudy], tmp_path: Path, error: type[BaseException], kind: str
) -> None:
    path = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 5, error("stop"))
        with pytest.raises(error) as caught:
            run(mini(store=KINDS[kind]), path)
    assert caught.value.__notes__ == [
        f"5 of 12 shards are done and kept in {path}; run the study again to continue"
    ]
    stored = load(path)
    assert not stored.complete
    assert stored.manifest["status"] == "interrupted"
    assert stored.holder is None
    assert stored.cells.collect()["shards_done"].sum() == 5
    # What is there can be read, with the same numbers.
    whole = undisturbed[kind].trials.collect()
    part = stored.trials.collect()
    assert 0 < part.height < whole.height
    assert part.join(whole, on=part.columns, how="semi", nulls_equal=True).height == part.height
    assert stored.curves.filter(quantity="regret", cell=0).collect()["mean"].is_finite().all()
    assert stored.trials.select("regret").head(3).collect().shape == (3, 1)
    again = run(mini(store=KINDS[kind]), path)
    assert again.shards_run == 7
    assert_same_frames(again, undisturbed[kind])
    assert contents(path) == contents(undisturbed[kind].path)


@pytest.mark.parametrize("where", ["shard", "journal", "frames"])
def test_a_full_disk_stops_the_study_and_costs_nothing(
    undisturbed: dict[str, StoredStudy], tmp_path: Path, where: str
) -> None:
    path, calls = tmp_path / "run", 0

    def full(real: Any, after: int) -> Any:
        def fail(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > after:
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)

        return fail

    from fastroute.study import files, finish, journal

    with pytest.MonkeyPatch.context() as patch:
        if where == "shard":
            anything = files._replace
            shard = full(anything, 3)

            def replace(place: Path, write: Any) -> Any:
                return (shard if "shards" in place.parts else anything)(place, write)

            patch.setattr(files, "_replace", replace)
        elif where == "journal":
            patch.setattr(journal.Journal, "append", full(journal.Journal.append, 2))
        else:
            patch.setattr(finish._FrameBuffer, "write", full(finish._FrameBuffer.write, 1))
        with pytest.raises(OSError, match="No space left"):
            run(mini(), path)
    assert not list(path.rglob(".*"))
    stored = load(path)
    assert stored.manifest["status"] == "interrupted"
    assert [name for name in stored.damaged() if name.startswith("shards")] == []
    again = run(mini(), path)
    assert_same_frames(again, undisturbed["trials"])
    assert contents(path) == contents(undisturbed["trials"].path)


def test_nothing_is_left_of_a_study_that_did_nothing(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt) as caught:
            run(mini(), tmp_path / "run")
    assert caught.value.__notes__ == ["nothing was finished, so nothing was kept"]
    assert not (tmp_path / "run").exists()


def test_nothing_runs_when_something_is_wrong(tmp_path: Path) -> None:
    data = mini().to_dict()
    data["policy"][1]["gama"] = 1
    with pytest.raises(StudyError, match=r"policy\[1\]\.gama"):
        run(Study.model_validate(data), tmp_path / "run")
    with pytest.raises(ValueError, match='unknown executor; did you mean "threads"'):
        run(mini(), tmp_path / "run", executor="thread")
    assert not (tmp_path / "run").exists()


def test_an_unknown_executor_is_refused_where_nothing_is_left_to_run(tmp_path: Path) -> None:
    study = mini(setting={"horizon": 60, "trials": 2})
    run(study, tmp_path / "run")
    for refused in (
        lambda: run(study, tmp_path / "run", executor="proceses"),
        lambda: estimate(study, "proceses"),
    ):
        with pytest.raises(ValueError, match='unknown executor; did you mean "processes"'):
            refused()


def test_the_default_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = mini(setting={"horizon": 60, "trials": 2})
    other = one.with_setting(seed=7)
    paths = [run_study(study, progress=False).path for study in (one, other, one, other)]
    assert paths == [Path("runs/mini"), Path("runs/mini-2")] * 2


def failing(job: Job, progress: Any = None) -> ShardResult:
    """Fail for one shard of every cell."""
    if job.first == 64:
        raise ArithmeticError(f"no luck with {job.key}")
    return run_shard(job, progress)


def test_shards_that_fail_three_times_are_set_aside(
    undisturbed: dict[str, StoredStudy], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    calls: list[Job] = []

    def watched(job: Job, progress: Any = None) -> ShardResult:
        calls.append(job)
        return failing(job, progress)

    path = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastroute.study.executors.run_shard", watched)
        stored = run(mini(), path, progress=True)
    assert not stored.complete
    assert stored.manifest["status"] == "incomplete"
    assert sorted(job.first for job in calls) == [0] * 4 + [64] * 12 + [128] * 4
    failed = stored.manifest["shards"]["failed"]
    assert len(failed) == 4
    assert all("ArithmeticError: no luck with" in (path / name).read_text() for name in failed)
    assert "trials 64 to 127 failed; see failed/" in capfd.readouterr().err
    assert stored.cells.collect()["trials_done"].to_list() == [86] * 4
    assert stored.trials.collect().height == 4 * 86
    # They are tried again, and the reports of their failures go.
    again = run(mini(), path)
    assert again.shards_run == 4
    assert not list((path / "failed").glob("*"))
    assert_same_frames(again, undisturbed["trials"])


def test_a_study_that_only_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(job: Job, progress: Any = None) -> ShardResult:
        raise ArithmeticError("never")

    monkeypatch.setattr("fastroute.study.executors.run_shard", fail)
    stored = run(mini(), tmp_path / "run")
    assert stored.manifest["status"] == "incomplete"
    assert len(list((tmp_path / "run" / "failed").glob("*.txt"))) == 12


def test_threads_stop_in_the_middle_of_a_shard(tmp_path: Path) -> None:
    begun = threading.Event()

    def note(job: Job, progress: Any) -> ShardResult:
        def told(done: int, total: int) -> None:
            begun.set()
            progress(done, total)

        return run_shard(job, told)

    class Queue:
        """What the coordinator waits on; Ctrl-C comes when a shard is under way."""

        def put(self, item: Any) -> None:
            pass

        def get(self, timeout: float) -> Any:
            begun.wait()
            raise KeyboardInterrupt

    # Some 20 s of work, in pieces of a fraction of a second.
    study = mini(setting={"horizon": 2_000_000, "trials": 1024}, store={"shard_trials": 1024})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastroute.study.executors.run_shard", note)
        patch.setattr(
            "fastroute.study.schedule.queue", SimpleNamespace(SimpleQueue=Queue, Empty=queue.Empty)
        )
        with pytest.raises(KeyboardInterrupt):
            run(study, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_more_trials_of_a_scenario_with_instances_are_more_of_the_same(tmp_path: Path) -> None:
    def study(trials: int) -> Study:
        return mini(
            scenario={"name": "minimax"}, setting={"trials": trials, "budget": 1.0, "horizon": 64}
        )

    run_study(study(64), tmp_path / "run", progress=False)
    extended = run_study(study(128), tmp_path / "run", progress=False)
    assert extended.shards_run == 2  # one for each policy
    assert_same_frames(extended, run_study(study(128), tmp_path / "fresh", progress=False))
