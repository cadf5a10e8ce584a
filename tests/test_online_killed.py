"""A router that is killed at any moment: nothing acknowledged is lost, and the log goes on."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import fastroute as fr

CHILD = Path(__file__).parent / "killed_router.py"
NUMBERS = (1 << 40) - 1


def run_and_kill(place: Path, seed: int, seconds: float) -> list[str]:
    """Let a router work for some time and kill it; returns the lines that it has acknowledged."""
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(place), str(seed)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().split("\n")
    # The last line may be cut: it was not acknowledged.
    return lines[:-1]


def check_log(place: Path, acknowledged: list[str]) -> None:
    with sqlite3.connect(place) as log:
        rewards = dict(
            log.execute("select number, reward from records where reward is not null").fetchall()
        )
        costs = dict(
            log.execute("select number, cost from records where cost is not null").fetchall()
        )
        numbers = [n for (n,) in log.execute("select number from decisions order by number")]
        twice = log.execute(
            "select number from records where reward is not null "
            "group by number having count(*) > 1"
        ).fetchall()
    assert numbers == list(range(len(numbers))), "decisions are missing"
    assert not twice
    assert set(rewards) <= set(numbers)
    for line in acknowledged:
        identifier, reward, cost = line.split()
        number = int(identifier) & NUMBERS
        assert rewards[number] == float(reward)
        assert costs[number] == float(cost)


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost(tmp_path, kills):
    place, rng = tmp_path / "state.db", random.Random(kills)
    acknowledged: list[str] = []
    for seed in range(kills):
        acknowledged += run_and_kill(place, seed, rng.uniform(0.05, 0.6))
        check_log(place, acknowledged)
    assert len({line.split()[0] for line in acknowledged}) == len(acknowledged)
    with warnings.catch_warnings():
        # A log whose decisions are not those of the router says so.
        warnings.simplefilter("error")
        with fr.OnlineRouter(place) as router:
            assert router.choose().model
    assert acknowledged
