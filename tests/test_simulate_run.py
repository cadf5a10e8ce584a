"""What a run says of itself, and how it shows that it is under way."""

import io
import sys
import warnings
from typing import Any

import polars as pl
import pytest

import fastroute as fr
from fastroute.simulation.api import simulate_part
from fastroute.simulation.settings import Settings

SETTINGS: dict[str, Any] = {"horizon": 500, "budget": 3.0, "max_deployed": 5, "trials": 64}


def run_sota(**changes: Any) -> fr.Run:
    return fr.simulate(fr.scenario("sota"), fr.policy("stageroute"), **{**SETTINGS, **changes})


def test_the_text_of_a_run_is_short_and_has_its_warnings() -> None:
    run = run_sota()
    lines = repr(run).splitlines()
    assert lines[0] == "Run of stageroute in sota: T = 500, 64 trials"
    assert [line.split()[0] for line in lines[1:4]] == ["regret", "priced", "cost"]
    assert all(" ± " in line for line in lines[1:4])
    assert lines[1].split()[1] == f"{run.finals['regret'].mean():.4g}"
    assert run.warnings
    assert lines[4:] == [f"  warning: {text}" for text in run.warnings]
    assert str(run) == repr(run)


def test_the_text_of_a_single_trial_has_no_margin() -> None:
    text = repr(run_sota(trials=1, horizon=50, budget=float("inf")))
    assert text.startswith("Run of stageroute in sota: T = 50, 1 trial\n")
    assert "±" not in text
    assert "\n  cost  " in text


def test_a_summary_is_a_frame_that_prints_all_its_rows() -> None:
    summary = run_sota().summary()
    assert isinstance(summary, pl.DataFrame)
    for text in (str(summary), repr(summary), summary._repr_html_()):
        assert all(name in text for name in summary["quantity"])
        assert all(name in text for name in summary.columns)
    assert len(str(summary).splitlines()) == summary.height + 1
    assert summary.filter(pl.col("quantity") == "cost").height == 1


def test_a_run_warns_once_where_it_was_asked_for() -> None:
    with pytest.warns(fr.FastrouteWarning) as caught:
        run = run_sota()
    (one,) = caught
    assert one.filename == __file__
    assert str(one.message).startswith("stageroute in sota: ")
    assert all(text in str(one.message) for text in run.warnings)


def test_nothing_to_beware_of_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = fr.simulate(fr.scenario("sota"), fr.policy("oracle"), **SETTINGS)
    assert run.warnings == []


def test_parts_of_a_study_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate_part(
            fr.scenario("sota"),
            fr.policy("stageroute"),
            Settings(**SETTINGS),
            0,
            64,
            keep_stages=False,
        )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    run_sota(progress=True)
    assert "simulating" in terminal.getvalue()


def test_progress_is_quiet_elsewhere(capfd: pytest.CaptureFixture[str]) -> None:
    run_sota(progress=True)
    run_sota(progress=False)
    assert capfd.readouterr() == ("", "")


def test_progress_may_be_a_function() -> None:
    told: list[tuple[int, int]] = []
    run_sota(progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (500 * 64, 500 * 64)
    with pytest.raises(ValueError, match=r"progress=.yes. must be True, False or a function"):
        run_sota(progress="yes")
