"""What the page on policies says: its tables, and the router and the deployer that it shows."""

import re
from pathlib import Path
from typing import Any

import numpy as np

import fastroute as fr
from fastroute.policies import DEPLOYERS, ESTIMATORS, POLICIES, ROUTERS

PAGE = (Path(__file__).parent.parent / "docs" / "policies.md").read_text(encoding="utf-8")


def test_table_is_the_registry() -> None:
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", PAGE.split("## Parts")[0], re.MULTILINE)
    told = {}
    for names, triples in rows:
        parts = [re.findall(r"\w+ · \w+ · \w+", triples)]
        for name, triple in zip(re.findall(r"`(\w+)`", names), *parts, strict=True):
            told[name] = tuple(triple.split(" · "))
    assert told == {
        name: tuple(part.name for part in p.parts) for name in POLICIES for p in [fr.policy(name)]
    }


def test_parts_are_the_classes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `fr\.(\w+)` \| (.*?) \|", PAGE, re.MULTILINE)
    told = [(name, cls, re.findall(r"`(\w+)`", options)) for name, cls, options in rows]
    assert told == [
        (name, cls.__name__, list(cls.model_fields))
        for table in (ESTIMATORS, DEPLOYERS, ROUTERS)
        for name, cls in table.items()
    ]


def test_deployer_of_the_page() -> None:
    source = re.search(r"```python\n(import fastroute as fr\nimport numpy.*?)```", PAGE, re.DOTALL)
    assert source is not None
    names: dict[str, Any] = {"__name__": "mine"}
    exec(source[1].replace("20_000", "2_000").replace("256", "70"), names)
    run = names["run"]
    first = run.stage_sets[0]
    # The two latest of those that are there at the start, ties by number, are in every set.
    arrival = run.scenario.resolve(2_000, 70).arrival
    there = np.flatnonzero(arrival <= 0)
    latest = there[np.argsort(-arrival[there], kind="stable")[:2]]
    assert all(set(latest) <= set(row) for row in first)
    assert ((first >= 0).sum(axis=1) == min(5, len(there))).all()


def test_router_of_the_page() -> None:
    source = re.search(r"```python\n(import fastroute as fr\nfrom numba.*?)```", PAGE, re.DOTALL)
    assert source is not None
    names: dict[str, Any] = {}
    exec(source[1].replace("20_000", "5_000").replace("256", "70"), names)
    run = names["run"]
    assert run.settings["trials"] == 70
    # It is thrifty: cheaper than routing to the best.
    greedy = fr.simulate(fr.scenario("sota"), fr.policy("greedy"), **names["settings"])
    assert run.finals["cost"].mean() < 0.8 * greedy.finals["cost"].mean()
    assert np.isfinite(run.finals["regret"]).all()
