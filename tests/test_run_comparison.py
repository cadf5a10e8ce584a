"""Two runs compared: paired where the seed is the same, independent samples elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import fastroute as fr
from fastroute.analyse import paired_difference
from fastroute.report import StudyComparison
from fastroute.study import run_study
from studies import mini

SETTINGS: dict[str, Any] = {"horizon": 300, "budget": 3.0, "max_deployed": 5, "trials": 20}


def play(policy: str = "stageroute", gamma: str = "paper", **changes: Any) -> fr.Run:
    settings = {**SETTINGS, **changes}
    return fr.simulate(fr.scenario("sota"), fr.policy(policy, gamma=gamma), **settings)


@pytest.fixture(scope="module")
def run() -> fr.Run:
    return play()


def row(comparison: Any, quantity: str) -> dict[str, Any]:
    return comparison.table.filter(quantity=quantity).row(0, named=True)


def test_trials_are_paired_where_the_seed_is_the_same(run: fr.Run) -> None:
    other = play("greedy")
    found = fr.compare(run, other)
    assert found.paired
    told = paired_difference(other.trials, run.trials, "priced_regret")
    one = row(found, "priced_regret")
    assert one["mean_a"] == pytest.approx(run.finals["priced_regret"].mean())
    assert one["mean_b"] == pytest.approx(other.finals["priced_regret"].mean())
    ends = [one[name] for name in ("difference", "difference_low", "difference_high")]
    assert ends == pytest.approx([told.mean, told.low, told.high])
    assert one["n"] == 20
    assert set(found.table["quantity"]) <= set(run.finals)


def test_common_trials_are_compared(run: fr.Run) -> None:
    found = fr.compare(run, play("greedy", trials=12))
    assert found.paired
    assert row(found, "regret")["n"] == 12
    assert row(found, "regret")["mean_a"] == pytest.approx(run.finals["regret"][:12].mean())


def test_other_seeds_are_independent_samples(run: fr.Run) -> None:
    other = play("greedy", seed=9, trials=30)
    found = fr.compare(run, other, level=0.9)
    assert not found.paired
    welch = stats.ttest_ind(other.finals["cost"], run.finals["cost"], equal_var=False)
    low, high = welch.confidence_interval(0.9)
    one = row(found, "cost")
    assert [one["difference_low"], one["difference_high"]] == pytest.approx([low, high])
    assert "not paired" in repr(found)


def test_a_run_is_no_different_from_itself(run: fr.Run) -> None:
    found = fr.compare(run, run)
    assert np.abs(found.table["difference"].to_numpy()).max() == 0.0
    assert found.labels == ("stageroute (A)", "stageroute (B)")
    assert not found.differs()


def test_the_labels_are_what_tells_the_runs_apart(run: fr.Run) -> None:
    assert fr.compare(run, play("greedy")).labels == ("stageroute", "greedy")
    assert fr.compare(run, play(budget=4.0)).labels == (
        "stageroute, budget = 3",
        "stageroute, budget = 4",
    )
    a, b = fr.compare(run, play(gamma="theory")).labels
    assert a != b
    assert "gamma='theory'" in b


@pytest.mark.parametrize(
    ("options", "settings", "words"),
    [
        ({"reward_delay": 50}, {}, {"reward_delay": ("0", "50")}),
        ({"feedback": 0.5}, {}, {"feedback": ("1", "0.5")}),
        ({"limit": 0.5}, {}, {"limit": ("0.4", "0.5")}),
        ({}, {"load_rounds": 20}, {"load_rounds": ("0", "20")}),
        ({}, {"trials": 4}, {"trials": ("20", "4")}),
        (
            {"changes": [fr.Outage("alpha-large-2024", 0.5)]},
            {},
            {"changes": ("none", "Outage(model='alpha-large-2024', start=0.5)")},
        ),
        ({"cost": "fixed"}, {}, {"cost": ("UniformCost()", "FixedCost()")}),
    ],
    ids=str,
)
def test_every_difference_of_worlds_and_settings_is_named(
    run: fr.Run, options: dict[str, Any], settings: dict[str, Any], words: dict[str, Any]
) -> None:
    other = fr.simulate(
        fr.scenario("sota", **options), fr.policy("stageroute"), **{**SETTINGS, **settings}
    )
    found = fr.compare(run, other)
    assert found.differs().items() >= words.items()
    assert found.differs().keys() - words.keys() <= {"cost_range"}
    for name, (one, two) in words.items():
        assert f"  {name}: {one} in A, {two} in B\n" in repr(found)
    load = {"load_rounds=20"} & {f"{name}={value}" for name, value in settings.items()}
    assert all(f"  with {text}\n" in repr(other) for text in load)


def test_equal_scenarios_do_not_differ() -> None:
    a, b = (
        fr.simulate(fr.scenario("routerbench"), fr.policy("uniform"), **{**SETTINGS, "budget": 1})
        for _ in range(2)
    )
    assert fr.compare(a, b).differs() == {}


def test_the_text_and_the_card_have_the_differences(run: fr.Run) -> None:
    found = fr.compare(run, play("greedy"))
    text, html = repr(found), found._repr_html_()
    assert text.splitlines()[0] == "Comparison of A, stageroute, and B, greedy, in sota"
    assert max(map(len, text.splitlines())) <= 100
    for name in ("regret", "priced regret", "cost", "violation"):
        assert name in text
        assert name in html
    assert "paired by trial" in html


def test_two_stored_studies(tmp_path: Path) -> None:
    a = run_study(mini(), tmp_path / "a", progress=False)
    b = run_study(mini(setting={"seed": 6}), tmp_path / "b", progress=False)
    found = fr.compare(a, b)
    assert isinstance(found, StudyComparison)
    assert "seed: 5 in A, 6 in B" in repr(found)
    html = found._repr_html_()
    assert "Not paired" in html
    assert "seed" in html


def test_what_cannot_be_compared_is_refused(run: fr.Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"b=3 must be a run or a stored study; see fr\.simulate"):
        fr.compare(run, 3)  # type: ignore[call-overload]
    stored = run_study(mini(), tmp_path / "a", progress=False)
    with pytest.raises(ValueError, match="give two of one kind"):
        fr.compare(run, stored)  # type: ignore[call-overload]
