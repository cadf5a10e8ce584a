"""What an online router refuses, and what it keeps over restarts, copies and forks."""

import os
import sqlite3
import subprocess
import sys

import pytest

import fastroute as fr
from test_online_router import NAMES, Clock, again, drive, leave, router_of


def test_what_is_in_flight_stays_so_over_a_restart(tmp_path):
    window = fr.Window(total=5.0, when_spent="refuse")
    options = {"models": dict.fromkeys(NAMES, 1.0), "window": window}
    with router_of(tmp_path / "state.db", **options) as router:
        choices = [router.choose() for _ in range(5)]
    with again(tmp_path / "state.db") as router:
        assert router.status().in_flight == 5
        with pytest.raises(fr.BudgetSpentError):
            router.choose()
        router.observe(choices[0].id, reward=0.5, cost=0.0)
        assert router.choose().serve in NAMES


def test_identifiers_belong_to_one_log_and_one_start(tmp_path):
    place, copy = tmp_path / "state.db", tmp_path / "copy.db"
    with router_of(place) as router:
        drive(router, 3)
    copy.write_bytes(place.read_bytes())
    with again(place) as router:
        late = router.choose()
    place.write_bytes(copy.read_bytes())  # a backup that was put back
    with again(place) as router:
        new = router.choose()
        with pytest.raises(fr.ObservationError, match="no such decision"):
            router.observe(late.id, reward=1.0)
        router.observe(new.id, reward=1.0)
    with router_of(tmp_path / "other.db") as other:
        other.choose()
        with pytest.raises(fr.ObservationError, match="no such decision"):
            other.observe(new.id, reward=1.0)


def test_a_file_that_was_deleted_is_noticed(tmp_path):
    router = router_of(tmp_path / "state.db")
    drive(router, 3)
    router.flush()
    (tmp_path / "state.db").unlink()
    router.choose()
    with pytest.raises(OSError, match="deleted or replaced"):
        router.flush()
    with pytest.raises(OSError, match="deleted or replaced"):
        router.choose()


def test_a_router_that_is_refused_leaves_nothing_behind(tmp_path):
    place = tmp_path / "state.db"
    with pytest.raises(ValueError, match=r"'zz' is not one of a, b"):
        router_of(place, mode="shadow", serve="zz")
    with router_of(place, mode="shadow", serve="a") as router:
        assert router.choose().serve == "a"
    with pytest.raises(ValueError, match="is missing"):
        fr.OnlineRouter(tmp_path / "typo.db")
    assert not (tmp_path / "typo.db").exists()


def test_a_database_of_another_program_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "app.db") as app:
        app.execute("create table users (name text)")
    with pytest.raises(ValueError, match="tables of another program, users"):
        router_of(tmp_path / "app.db")
    with sqlite3.connect(tmp_path / "app.db") as app:
        assert app.execute("select count(*) from sqlite_master").fetchone() == (1,)


def test_the_tail_of_a_script_without_close_is_written(tmp_path):
    script = (
        "import fastroute as fr\n"
        f"r = fr.OnlineRouter({str(tmp_path / 'state.db')!r}, models=['a', 'b'], budget=1.0, "
        "max_deployed=2, stage=fr.every(decisions=10))\n"
        "for _ in range(7): r.choose()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    with sqlite3.connect(tmp_path / "state.db") as log:
        assert log.execute("select count(*) from decisions").fetchone() == (7,)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"models": "abc"}, "'abc' is one name"),
        ({"models": [None]}, "None is no model"),
        ({"models": [{"name": "a", "limit": 2.0}]}, r"limit=2\.0: must be less than or equal to 1"),
        ({"tasks": "code"}, "tasks='code' is one word"),
        ({"tasks": ["a", "a"]}, "a task is there twice"),
        ({"cost_range": (1.0, 0.1)}, "in this order"),
        ({"budget": -1.0}, r"^budget=-1\.0: must be greater than or equal to 0$"),
        ({"clock": 5}, "clock=5"),
        ({"staleness": "x"}, "staleness='x'"),
        ({"replica": 200}, "replica=200"),
    ],
)
def test_bad_settings_are_refused_in_one_line(options, words):
    with pytest.raises(ValueError, match=words) as caught:
        router_of(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("b", "'b' is one name"),
        (["b", "b"], "different models"),
        ([], "pass from 1 to"),
        (["a", "b", "c", "d"], "max_deployed=3"),
        (["e"], "'e' is retired"),
    ],
)
def test_sets_that_cannot_be_deployed_are_refused(given, words):
    router = router_of()
    router.choose()
    router.retire("e")
    with pytest.raises(ValueError, match=words):
        router.apply(given)


def test_a_wrong_word_breaks_nothing(tmp_path):
    with router_of(tmp_path / "state.db") as router:
        with pytest.raises(ValueError, match="must be a word"):
            router.choose(["x"])
        with pytest.raises(ValueError, match="not one of"):
            router.fail(None)
        drive(router, 5)


def test_a_clock_that_is_none_is_refused():
    clock = Clock(float("nan"))
    router = router_of(clock=clock)
    with pytest.raises(ValueError, match="seconds of the epoch"):
        router.choose()
    clock.now = 1.7e12
    with pytest.raises(ValueError, match="seconds of the epoch"):
        router.choose()
    clock.now = 1.7e9
    assert router.choose().model in NAMES


def test_a_spare_model_takes_the_queries_when_all_deployed_ones_have_failed(tmp_path):
    with router_of(tmp_path / "state.db") as router:
        drive(router, 5)
        for name in router.deployed:
            router.fail(name)
        spares = set(NAMES) - set(router.failed)
        assert router.choose().model in spares
    run = fr.simulate(replay=fr.read_log(tmp_path / "state.db"))
    assert run.stages.height == 2


def test_fixed_has_the_share_of_the_fixed_one():
    router = router_of(mode="fixed", serve="c")
    assert router.choose().shares == {"c": 1.0}


def test_an_estimator_that_cannot_count_apart_learns_both_together():
    class Twice(fr.UCB):
        name = "twice"

        @staticmethod
        def observe(seen, reward, cost, *parameters):
            return seen[0] + 1.0, seen[1] + reward, seen[2] + cost

    policy = fr.policy("stageroute", estimator=Twice())
    assert router_of(policy=policy).settings.apart is False
    with pytest.raises(ValueError, match="use apart=False"):
        router_of(policy=policy, apart=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_fork_is_told_to_open_a_router_of_its_own(tmp_path):
    """In a process of its own: one with threads of compilers is not forked."""
    script = (
        "import os, fastroute as fr\n"
        f"r = fr.OnlineRouter({str(tmp_path / 'state.db')!r}, models=['a', 'b'], budget=1.0, "
        "max_deployed=2, stage=fr.every(decisions=10))\n"
        "r.choose(); r.flush()\n"
        "if os.fork() == 0:\n"
        "    for ask in (r.choose, r.flush):\n"
        "        try: ask()\n"
        "        except OSError as error: print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait(); r.choose(); r.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True
    )
    assert done.stdout.count("was forked") == 2, done.stderr
    with sqlite3.connect(tmp_path / "state.db") as log:
        assert log.execute("select count(*) from decisions").fetchone() == (2,)


def test_what_was_observed_in_a_later_start_is_in_flight_no_more_after_a_crash(tmp_path):
    """A decision belongs to the start that made it, whichever start was told of it."""
    window = fr.Window(total=100.0, when_spent="refuse")
    options = {"models": dict.fromkeys(NAMES, 1.0), "window": window}
    with router_of(tmp_path / "state.db", **options) as router:
        early = router.choose()
    second = again(tmp_path / "state.db")
    late = second.choose()
    second.observe(early.id, reward=1.0, cost=2.0)
    leave(second)
    with again(tmp_path / "state.db") as third:
        assert third.known(early.id) == (1.0, 2.0)
        with pytest.raises(fr.ObservationError, match="known already"):
            third.observe(early.id, reward=0.0)
        assert third.status().in_flight == 1
        third.observe(late.id, reward=1.0, cost=2.0)
        assert third.status().in_flight == 0
        assert third._state.account.reserved == 0.0
        assert third._state.account.spent == 4.0
