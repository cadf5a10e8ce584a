"""Plots of runs and stored studies: the data, the caller's axes and settings, refusals."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes

import fastroute as fr
from fastroute.study import StoredStudy, run_study
from studies import mini

SETTINGS: dict[str, Any] = {"horizon": 300, "budget": 3.0, "max_deployed": 5, "trials": 20}
KINDS = ("regret", "priced_regret", "parts", "spend")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Figures of pyplot stay until they are closed; its settings are to stay as they are."""
    pyplot.get_backend()
    before = dict(mpl.rcParams)
    yield
    pyplot.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture(scope="module")
def run() -> fr.Run:
    return fr.simulate(fr.scenario("sota"), fr.policy("stageroute"), **SETTINGS)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    policies = [{"name": "stageroute", "gamma": [0.1, 0.5]}, {"name": "uniform"}]
    folder = tmp_path_factory.mktemp("plots") / "run"
    return run_study(mini(policy=policies), folder, progress=False)


def labels(axes: Axes) -> list[str]:
    return axes.get_legend_handles_labels()[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_is_a_figure_of_pyplot(run: fr.Run, kind: str) -> None:
    axes = run.plot(kind)
    # Notebooks show what pyplot has.
    assert pyplot.get_fignums() == [axes.figure.number]  # type: ignore[union-attr]
    assert "stageroute in sota" in axes.get_title()


@pytest.mark.parametrize("quantity", ["regret", "priced_regret"])
def test_the_line_is_the_curve(run: fr.Run, quantity: str) -> None:
    axes = run.plot(quantity)
    curve = run.curves.filter(pl.col("round") > 0, quantity=quantity)
    assert np.array_equal(axes.lines[0].get_ydata(), curve["mean"].to_numpy())
    assert np.array_equal(axes.lines[0].get_xdata(), curve["round"].to_numpy())


def test_changes_and_outages_are_drawn(run: fr.Run) -> None:
    first, second = run.scenario.models[:2]
    events = (fr.Change(first, at=200, reward=0.2), fr.Outage(second, 100, 120))
    world = run.scenario.with_changes(events, 1.0)
    changed = fr.simulate(world, run.policy, **SETTINGS)
    for kind in ("regret", "priced_regret"):
        (lines,) = [one for one in changed.plot(kind).collections if one.get_label() == "change"]
        rounds = [np.asarray(path.vertices)[0, 0] for path in lines.get_paths()]
        assert rounds == [100, 120, 200]


def test_the_parts_add_up(run: fr.Run) -> None:
    axes = run.plot("parts")
    assert labels(axes) == ["discovery", "deployment", "routing", "regret (the sum)"]
    last = run.finals["regret"].mean()
    assert np.asarray(axes.lines[0].get_ydata())[-1] == pytest.approx(last)


def test_the_spend_has_the_budget_where_there_is_one(run: fr.Run) -> None:
    assert "budget (3)" in labels(run.plot("spend"))
    free = fr.simulate(run.scenario, run.policy, **{**SETTINGS, "budget": float("inf")})
    assert labels(free.plot("spend")) == ["stageroute"]


def test_what_is_no_axes_is_refused(run: fr.Run, stored: StoredStudy) -> None:
    plots: tuple[Any, ...] = (run.plot, stored.plot)
    for plot in plots:
        with pytest.raises(ValueError, match="ax=3 must be axes of Matplotlib to draw on; leave"):
            plot(ax=3)


def test_long_names_leave_room_for_the_chart(tmp_path: Any) -> None:
    long = "StageRoute with a radius of confidence that is a tenth of that of the theorem"
    study = mini(policy=[{"name": "uniform", "label": long}, {"name": "greedy"}])
    axes = run_study(study, tmp_path / "run", progress=False).plot(x="policy")
    ticks = [tick.get_text() for tick in axes.get_yticklabels()]
    assert ticks[0].replace("\n", " ") == long
    assert axes.get_position().width > 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_the_axes_of_the_caller(run: fr.Run, kind: str) -> None:
    figure, (left, right) = pyplot.subplots(1, 2)
    assert run.plot(kind, ax=right) is right
    assert pyplot.get_fignums() == [figure.number]
    assert right.get_legend() is not None
    assert not left.has_data()


def test_the_style_of_the_caller_does_not_show(run: fr.Run) -> None:
    with pyplot.style.context("dark_background"):
        axes = run.plot()
        assert mpl.rcParams["axes.facecolor"] == "black"
    assert axes.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert axes.figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)


def test_what_varies_on_purpose_is_the_default(stored: StoredStudy) -> None:
    axes = stored.plot()
    assert axes.get_xlabel() == "horizon"
    assert axes.get_ylabel() == "priced regret (units of reward)"
    assert labels(axes) == ["stageroute (gamma=0.1)", "stageroute (gamma=0.5)", "uniform"]
    rows = stored.summary.filter(quantity="priced_regret", policy="uniform").collect()
    (line,) = [one for one in axes.containers if one.get_label() == "uniform"]
    assert np.array_equal(line[0].get_xdata(), [60, 90])
    assert np.array_equal(line[0].get_ydata(), rows["mean"].to_numpy())


def test_an_option_of_policies_over_its_values(stored: StoredStudy) -> None:
    axes = stored.plot(x="policy_gamma", y="regret")
    # The policy that does not sweep it is left out, and what varies besides parts the lines.
    assert labels(axes) == ["stageroute, horizon = 60", "stageroute, horizon = 90"]
    assert np.array_equal(axes.lines[0].get_xdata(), [0.1, 0.5])


def test_words_stand_beside_the_chart(stored: StoredStudy) -> None:
    axes = stored.plot(x="policy", y="cost", by="horizon")
    ticks = [tick.get_text() for tick in axes.get_yticklabels()]
    assert ticks == ["stageroute (gamma=0.1)", "stageroute (gamma=0.5)", "uniform"]
    assert labels(axes) == ["horizon = 60", "horizon = 90"]
    assert axes.get_xlabel() == "cost"


def test_a_study_without_a_sweep(stored: StoredStudy, tmp_path: Any) -> None:
    plain = run_study(mini(setting={"horizon": 60}), tmp_path / "run", progress=False)
    axes = plain.plot()
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["stageroute", "uniform"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": "horizn"}, "x='horizn' is unknown; did you mean 'horizon'"),
        ({"x": "budget"}, "x='budget' is unknown.*valid: 'policy', 'horizon'"),
        ({"y": "regrett"}, "y='regrett' is unknown; did you mean 'regret'"),
        ({"by": "polcy"}, "by='polcy' is unknown; did you mean 'policy'"),
    ],
)
def test_what_is_not_there_is_refused(
    stored: StoredStudy, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        stored.plot(**arguments)
    assert not pyplot.get_fignums()


def test_what_nobody_knows_is_refused(stored: StoredStudy) -> None:
    with pytest.raises(ValueError, match="y='captured' is not known in any cell"):
        stored.plot(y="captured")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("horizon", [1, 40])
def test_a_single_trial_has_a_line(kind: str, horizon: int) -> None:
    settings = {**SETTINGS, "horizon": horizon, "trials": 1}
    one = fr.simulate(fr.scenario("sota"), fr.policy("stageroute"), **settings)
    assert one.plot(kind).lines


@pytest.mark.parametrize("x", ["horizon", "policy"])
def test_a_study_of_single_trials(tmp_path: Any, x: str) -> None:
    single = run_study(mini(setting={"trials": 1}), tmp_path / "run", progress=False)
    assert single.plot(x).has_data()


def test_an_unknown_kind_is_refused(run: fr.Run) -> None:
    with pytest.raises(ValueError, match="kind='spent' is unknown; did you mean 'spend'"):
        run.plot("spent")
    assert not pyplot.get_fignums()


def test_two_runs_on_the_same_axes(run: fr.Run) -> None:
    other = fr.simulate(run.scenario, fr.policy("greedy"), **SETTINGS)
    axes = fr.compare(run, other).plot()
    assert labels(axes) == ["stageroute", "greedy", "arrival"]
    with pytest.raises(ValueError, match="kind='parts' is unknown"):
        fr.compare(run, other).plot("parts")


def test_two_studies_cell_by_cell(stored: StoredStudy) -> None:
    axes = fr.compare(stored, stored).plot("regret")
    assert len(axes.get_yticklabels()) == 6
    assert np.array_equal(axes.lines[0].get_xdata(), np.ones(6))
    with pytest.raises(ValueError, match="quantity='regrets' is unknown"):
        fr.compare(stored, stored).plot("regrets")
