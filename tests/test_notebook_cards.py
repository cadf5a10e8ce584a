"""What things say of themselves: a short text, and a card in a notebook."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import fastroute as fr
import fastroute.policies as parts
from fastroute.policies import POLICIES
from fastroute.report.notebook import card_html, run_card
from fastroute.study import StoredStudy, run_study
from studies import mini, stop_after

SETTINGS: dict[str, Any] = {"horizon": 300, "budget": 3.0, "max_deployed": 5, "trials": 20}
#: Names may hold anything; this is no markup, whatever it looks like.
HOSTILE = '<script>alert("&")</script>'


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return run_study(mini(), tmp_path_factory.mktemp("cards") / "run", progress=False)


@pytest.fixture(scope="module")
def run() -> fr.Run:
    return fr.simulate(fr.scenario("sota"), fr.policy("stageroute"), **SETTINGS)


def words(thing: Any) -> str:
    """Return the text of a card, which must be well formed and short."""
    html = thing._repr_html_()
    root = ElementTree.fromstring(html)
    assert len(root.findall(".//tr")) <= 14
    assert len(html) < 7_000
    assert not root.findall(".//script")
    assert 'id="' not in html
    style = root.find("style")
    assert style is not None
    # Colours are those of the notebook, so that it may be light or dark.
    assert "background: #" not in str(style.text)
    assert re.search(r"(?<!-)color: (?!inherit)", str(style.text)) is None
    root.remove(style)
    return " ".join(" ".join(root.itertext()).split())


@pytest.mark.parametrize("name", POLICIES)
def test_the_text_of_a_policy_makes_it_again(name: str) -> None:
    policy = fr.policy(name)
    assert "\n" not in repr(policy)
    assert str(policy) == repr(policy)
    assert eval(repr(policy), vars(parts)) == policy


def test_the_text_of_a_policy_has_only_what_is_not_as_by_default() -> None:
    assert repr(fr.policy("stageroute")) == (
        "Policy(name='stageroute', estimator=UCB(), deployer=MIP(), router=LP())"
    )
    assert repr(fr.Policy(estimator=fr.UCB(gamma=0.5), margin=0.1)) == (
        "Policy(name='custom', estimator=UCB(gamma=0.5), deployer=MIP(), router=LP(), margin=0.1)"
    )


def test_the_text_of_studies_is_a_line(stored: StoredStudy) -> None:
    assert repr(mini()) == str(mini()) == "<Study mini: 4 cells of 1 scenario and 2 policies>"
    assert repr(stored) == f"<StoredStudy mini in {stored.path}: 4 cells, complete>"


def test_the_card_of_a_scenario_has_its_models() -> None:
    text = words(fr.scenario("sota"))
    assert text.startswith("Scenario sota")
    assert "models 24, of which 19 arrive later" in text
    assert "synthetic USD per 1,000 queries" in text
    assert "12 more models." in text
    assert "no figure is a measurement" in text
    named = fr.Scenario([0.5, 0.6], [1.0, 2.0], models=[HOSTILE, "b"], retirement=[None, 7])
    text = words(named)
    assert HOSTILE in text
    assert "models 2, all from the start" in text
    assert "retires (round)" in text
    assert "never" in text
    assert "Means over 5 instances" in words(fr.scenario("random", trials=5))


def test_the_card_of_a_policy_has_its_parts() -> None:
    text = words(fr.policy("greedy", gamma=0.5, margin=0.25))
    assert "UCB(gamma=0.5)" in text
    assert "solves for 75% of the budget" in text
    assert "`" not in text


def test_the_card_of_a_run_has_its_numbers_and_warnings(run: fr.Run) -> None:
    text = words(run)
    assert "Run of stageroute in sota" in text
    assert "budget 3 synthetic USD per 1,000 queries" in text
    for line in repr(run).splitlines()[1:3]:
        assert line.split("  ")[-1].strip() in text
    assert run.warnings
    assert all(warning in text for warning in run.warnings)
    assert "run.plot()" in text


def test_names_are_no_markup(run: fr.Run) -> None:
    card = run_card(run)._replace(title=HOSTILE, notes=[HOSTILE])
    html = card_html(card)
    assert "<script>" not in html
    assert html.count("&lt;script&gt;") == 2


def test_the_card_of_a_study_says_what_it_plays() -> None:
    text = words(fr.Study.preset("quickstart"))
    assert "cells 5" in text
    assert "policies StageRoute, oracle, greedy, uniform, static" in text
    assert "horizon 100,000" in text
    assert 'fr.run_study(study, "runs/quickstart")' in text
    assert "horizon 60, 90" in words(mini())


def test_the_card_of_a_stored_study_answers_first(stored: StoredStudy) -> None:
    text = words(stored)
    assert text.index("Which policy has the lowest priced regret?") < text.index("folder")
    assert "state complete" in text
    assert "trials 600" in text
    assert "mean rank" in text


def test_the_card_of_a_study_that_is_not_complete(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run_study(mini(), tmp_path / "run", workers=1, progress=False)
    stored = fr.load(tmp_path / "run")
    assert repr(stored).endswith("4 cells, interrupted>")
    text = words(stored)
    assert "trials 64 of 600" in text
    assert "state interrupted" in text
