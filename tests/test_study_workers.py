"""Workers that die: processes of this machine, and of a Dask cluster."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from fastroute.study import ExecutorError, StoredStudy, Study, load, run_study
from studies import assert_same_frames, contents, deadly_shard, mini


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Return the study as one thread runs it."""
    path = tmp_path_factory.mktemp("undisturbed") / "run"
    return run_study(mini(), path, executor=ThreadPoolExecutor(1), progress=False)


@pytest.fixture
def deadly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of deaths to come; see `deadly_shard`."""
    folder = tmp_path / "deadly"
    folder.mkdir()
    monkeypatch.setenv("DEADLY", str(folder))
    monkeypatch.setattr("fastroute.study.executors.run_shard", deadly_shard)
    return folder


def run(path: Path, study: Study | None = None, **options: Any) -> StoredStudy:
    return run_study(study or mini(), path, **{"workers": 2, "progress": False, **options})


def test_a_process_that_dies_costs_nothing(
    undisturbed: StoredStudy, deadly: Path, tmp_path: Path
) -> None:
    (deadly / "128-a").touch()
    stored = run(tmp_path / "run", executor="processes")
    assert not list(deadly.iterdir())
    assert stored.complete
    assert_same_frames(stored, undisturbed)
    assert contents(stored.path) == contents(undisturbed.path)


SCRIPT = """\
import fastroute as fr
from studies import mini
fr.run_study(mini(), "run", executor="processes", workers=2, progress=False)
print("returned")
"""


@pytest.mark.parametrize("given", ["standard input", "a script without a main guard"])
def test_processes_that_cannot_start_say_why(given: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-" if given == "standard input" else "script.py"],
        input=SCRIPT,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "returned" not in done.stdout
    assert "ExecutorError: processes x 2: no process can be started" in done.stderr
    assert 'under `if __name__ == "__main__":`' in done.stderr
    assert not (tmp_path / "run").exists()


def test_what_is_no_executor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"executor must be one of threads, .* not int 3"):
        run(tmp_path / "run", executor=3)


@pytest.mark.slow
def test_a_client_and_a_cluster_of_dask_stay_open(undisturbed: StoredStudy, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        for name, executor in (("cluster", cluster), ("client", client)):
            assert_same_frames(run(tmp_path / name, executor=executor), undisturbed)
        assert client.status == "running"
        assert client.submit(int, "3").result() == 3


@pytest.mark.slow
def test_a_scheduler_that_is_gone_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("fastroute.study.executors._DASK_SECONDS", 1)
    with pytest.raises(ValueError, match="no Dask scheduler answers there"):
        run(tmp_path / "run", executor="dask://127.0.0.1:9")
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_shard_that_kills_every_worker_is_set_aside_alone(
    undisturbed: StoredStudy, deadly: Path, tmp_path: Path
) -> None:
    # One cell, so that the deaths are those of one shard.
    study = mini(policy=[{"name": "stageroute"}], setting={"horizon": 60})
    for token in "abc":
        (deadly / f"64-{token}").touch()
    stored = run(tmp_path / "run", study, executor="processes")
    assert not stored.complete
    (failed,) = stored.manifest["shards"]["failed"]
    assert failed.endswith("-64-128.txt")
    assert "BrokenProcessPool" in (stored.path / failed).read_text()
    assert stored.cells.collect()["trials_done"].to_list() == [86]
    again = run(tmp_path / "run", study)
    assert again.shards_run == 1
    assert again.trials.collect().equals(undisturbed.trials.filter(cell=0).collect())


def test_a_given_executor_that_breaks_ends_the_study_and_loses_nothing(
    undisturbed: StoredStudy, deadly: Path, tmp_path: Path
) -> None:
    (deadly / "128-a").touch()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        with pytest.raises(ExecutorError, match="ProcessPoolExecutor: the workers are gone"):
            run(tmp_path / "run", executor=executor)
    stored = load(tmp_path / "run")
    assert stored.manifest["status"] == "interrupted"
    assert_same_frames(run(tmp_path / "run"), undisturbed)


@pytest.mark.parametrize(
    "retries",
    [
        pytest.param(3, id="dask tries again", marks=pytest.mark.slow),
        pytest.param(0, id="fastroute tries again"),
    ],
)
def test_a_dask_worker_that_is_killed_in_the_middle_of_a_shard_costs_nothing(
    undisturbed: StoredStudy, deadly: Path, tmp_path: Path, retries: int
) -> None:
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    import dask

    path = tmp_path / "run"
    for token in ("0-a", "128-b"):
        (deadly / token).touch()
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": retries}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
    ):
        address = cluster.scheduler_address.replace("tcp://", "dask://")
        with cluster.get_client() as client:
            before = set(client.run(os.getpid).values())
        assert len(before | {os.getpid()}) == 3
        stored = run(path, executor=address)
        with cluster.get_client() as client:
            after = set(client.run(os.getpid).values())
    # Two deaths: at least one worker is another process now.
    assert not list(deadly.iterdir())
    assert after != before
    assert stored.complete
    assert stored.manifest["sessions"][0]["executor"] == address
    assert_same_frames(stored, undisturbed)
    assert contents(path) == contents(undisturbed.path)


@pytest.mark.slow
def test_a_local_dask_cluster(undisturbed: StoredStudy, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    stored = run(tmp_path / "run", executor="dask", workers=1)
    assert stored.manifest["sessions"][0]["executor"] == "dask x 1"
    assert_same_frames(stored, undisturbed)


def test_a_scheduler_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.setattr("fastroute.study.executors._DASK_SECONDS", 1)
    with pytest.raises(ValueError, match="no Dask scheduler answers there"):
        run(tmp_path / "run", executor="dask://127.0.0.1:1")
    assert not (tmp_path / "run").exists()
