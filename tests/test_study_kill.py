"""A study that is killed again and again ends in the same frames, bit for bit."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fastroute.study import RunDirectoryError, load, run_study
from fastroute.study.journal import read_records
from studies import assert_same_frames, contents, mini

SCRIPT = Path(__file__).with_name("killed_run.py")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, where the system tells."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive(pid: int) -> bool:
    try:
        # A process that ended and was not yet waited for is dead all the same.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def life(study: Path, path: Path, executor: str, *, flushes: int, seconds: float) -> bool:
    """Run a study in a process that is killed; tells whether it was, before it was done."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(study), str(path), executor, str(flushes)],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        workers: list[int] = []
        try:
            if flushes:
                process.wait(120)
            else:
                process.wait(seconds)
        except subprocess.TimeoutExpired:
            workers = children(process.pid)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers)), "workers outlive the study that started them"
    return process.returncode == -signal.SIGKILL


def kill_again_and_again(
    tmp_path: Path, kills: int, horizons: list[int], executors: tuple[str, ...], **setting: Any
) -> dict[str, Any]:
    """Kill one study at random moments until it has survived; returns what happened."""
    study = mini(setting={"horizon": horizons, **setting})
    undisturbed = run_study(
        study, tmp_path / "undisturbed", executor=ThreadPoolExecutor(2), progress=False
    )
    (tmp_path / "study.toml").write_text(study.to_toml())
    path = tmp_path / "run"
    draw = random.Random(20)
    total = undisturbed.manifest["shards"]["total"]
    killed, lives, found = 0, 0, [0]
    while killed < kills:
        lives += 1
        assert lives < 5 * kills, "the study ends before it is killed"
        # By the clock, or at a moment when something is being made safe.
        by_clock = draw.random() < 0.5
        was_killed = life(
            tmp_path / "study.toml",
            path,
            executors[lives % len(executors)],
            flushes=0 if by_clock else draw.randrange(1, 12 + 6 * total // kills),
            seconds=draw.uniform(0.0, 3.0),
        )
        killed += was_killed
        if not (path / "manifest.json").exists():
            assert found == [0] * len(found)
            continue
        # Nothing that was written down before is lost, and all of it is whole.
        found.append(len(read_records(path)))
        assert found[-1] >= found[-2]
        assert not [name for name in load(path).damaged() if name.startswith("shards/")]
        assert load(path).trials.collect().height <= undisturbed.trials.collect().height
        if not was_killed:
            # It was quicker than its killer: all over again.
            assert_same_frames(load(path), undisturbed)
            break
    stored = run_study(study, path, progress=False)
    assert stored.complete
    assert stored.damaged() == []
    assert_same_frames(stored, undisturbed)
    assert contents(path) == contents(undisturbed.path)
    assert not list(path.rglob(".*"))
    sessions = stored.manifest["sessions"]
    return {
        "kills": killed,
        "lives": lives,
        "shards": total,
        "sessions": len(sessions),
        "left for the last": stored.shards_run,
        "shards after each life": found[1:],
    }


def test_three_kills(tmp_path: Path) -> None:
    found = kill_again_and_again(tmp_path, 3, [20_000, 30_000], ("threads",), trials=700)
    assert found["kills"] == 3


@pytest.mark.slow
def test_twenty_five_kills(tmp_path: Path) -> None:
    found = kill_again_and_again(
        tmp_path, 25, [60_000, 90_000], ("threads", "processes"), trials=20_000
    )
    print(found)
    assert found["kills"] == 25


@pytest.mark.slow
@pytest.mark.parametrize("extends", [False, True], ids=["new", "extended"])
def test_a_kill_at_every_flush_to_the_disk(tmp_path: Path, extends: bool) -> None:
    """Walk through all moments at which something is made safe, from first to last."""
    policy = [{"name": "stageroute"}]
    study = mini(policy=policy, setting={"trials": 100})
    undisturbed = run_study(study, tmp_path / "undisturbed", progress=False)
    smaller = mini(policy=policy, setting={"trials": 70, "horizon": 60})
    start = run_study(smaller, tmp_path / "start", progress=False).path
    (tmp_path / "study.toml").write_text(study.to_toml())
    flushes = 0
    while True:
        flushes += 1
        path = tmp_path / f"run-{flushes}"
        if extends:
            shutil.copytree(start, path)
        if not life(tmp_path / "study.toml", path, "threads", flushes=flushes, seconds=0.0):
            break
        if (path / "manifest.json").exists():
            assert not [name for name in load(path).damaged() if name.startswith("shards/")]
            load(path).cells.collect()
        stored = run_study(study, path, progress=False)
        assert_same_frames(stored, undisturbed)
        assert stored.damaged() == []
        if not extends:
            assert contents(path) == contents(undisturbed.path)
    print(f"killed at each of {flushes - 1} flushes")
    # Files and journal at the start, three flushes a shard, the frames and the rest at the end.
    assert flushes > 30


def test_a_second_process_is_refused_while_the_first_one_runs(tmp_path: Path) -> None:
    study = mini(setting={"horizon": [2_000_000, 3_000_000]})
    (tmp_path / "study.toml").write_text(study.to_toml())
    path = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(tmp_path / "study.toml"), str(path), "threads", "0"],
        stdout=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + 60
        while not (path / "manifest.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(RunDirectoryError, match=f"written to by process {process.pid} on"):
            run_study(study, path, progress=False)
        assert process.poll() is None
        holder = load(path).holder
        assert holder is not None
        assert holder["pid"] == process.pid
        process.kill()
    # The lock goes with its holder.
    assert load(path).holder is None
