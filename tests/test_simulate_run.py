"""What a run says of itself, and how it shows that it is under way."""

import io
import sys
import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

import fastroute as fr
from fastroute.simulation.api import simulate_part
from fastroute.simulation.columns import CURVE_COLUMNS, STAGE_COLUMNS
from fastroute.simulation.frames import curves_frame, stages_frame, summary_frame
from fastroute.simulation.merge import above_bound
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


@given(
    st.lists(st.floats(-10.0, 10.0), min_size=1, max_size=9),
    st.sampled_from([0.0, 1e-9, 1.0]),
    st.floats(-10.0, 10.0),
)
def test_a_mean_is_above_a_bound_with_all_of_its_interval(
    values: list[float], scale: float, bound: float
) -> None:
    x = 1.0 + scale * np.array(values)
    mean, half = above_bound(x, bound) or (0.0, 0.0)
    count = len(x)
    if count == 1:
        assert above_bound(x, bound) is None
        return
    wanted = float(stdtrit(count - 1, 0.975)) * float(x.std(ddof=1) / np.sqrt(count))
    above = bool(x.mean() - wanted >= bound)
    assert (above_bound(x, bound) is not None) == above
    assert not above or (mean, half) == (float(x.mean()), wanted)


@pytest.mark.parametrize(("size", "slots"), [(3, 1), (7, 5), (1 << 15, 9), (60_000, 3)])
def test_sets_of_stages_are_lists_of_models_and_of_names(size: int, slots: int) -> None:
    generator = np.random.default_rng(size)
    sets = generator.integers(0, min(size, 9), (4, 25, slots))
    sets[generator.random(sets.shape) < 0.3] = -1
    sets = np.concatenate([sets, size - 1 - sets.clip(min=0)], axis=1)
    names = [f"model {k}" for k in range(size)]
    table = np.zeros((len(STAGE_COLUMNS), 4, 50))
    opened = np.arange(4)
    kind = np.int16 if size <= 1 << 15 else np.int32
    frame = stages_frame(
        table, sets.astype(kind), np.arange(50), names, opened, opened, budget=1.0, deployer="mip"
    )
    rows = [[int(model) for model in row if model >= 0] for row in sets.reshape(-1, slots)]
    assert frame["deployed"].to_list() == rows
    assert frame["deployed_names"].to_list() == [[names[model] for model in row] for row in rows]


@pytest.mark.parametrize("trials", [1, 2, 3, 8, 100, 1025])
def test_frames_over_trials_are_those_of_one_column_after_the_other(trials: int) -> None:
    generator = np.random.default_rng(trials)
    finals = {name: generator.normal(size=trials) ** 3 for name in ("a", "b", "c")}
    frame = summary_frame({"trial": np.arange(trials), **finals})
    for name, x in finals.items():
        (row,) = frame.filter(quantity=name).to_dicts()
        assert row["mean"] == x.mean()
        if trials == 1:
            assert row["se"] is row["low"] is row["high"] is None
        else:
            se = x.std(ddof=1) / np.sqrt(trials)
            half = float(stdtrit(trials - 1, 0.975)) * se
            assert (row["se"], row["low"]) == (se, x.mean() - half)
            assert row["high"] == x.mean() + half
        assert [row[f"q{q}"] for q in ("05", "50", "95")] == np.quantile(
            x, [0.05, 0.5, 0.95]
        ).tolist()
    curves = generator.normal(size=(len(CURVE_COLUMNS), trials, 4)) ** 3
    found = curves_frame(curves, np.arange(4), trials)
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        wanted = np.quantile(curves, level, axis=1).ravel()
        assert found[f"q{100 * level:02.0f}"].to_list() == wanted.tolist()
    assert found["se"].null_count() == (found.height if trials == 1 else 0)
