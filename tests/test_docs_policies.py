"""What the page on policies says: its table, and the router that it shows."""

import re
from pathlib import Path
from typing import Any

import numpy as np

import fastroute as fr
from fastroute.policies import POLICIES

PAGE = (Path(__file__).parent.parent / "docs" / "policies.md").read_text(encoding="utf-8")


def test_table_is_the_registry() -> None:
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", PAGE.split("## Write")[0], re.MULTILINE)
    told = {}
    for names, triples in rows:
        parts = [re.findall(r"\w+ · \w+ · \w+", triples)]
        for name, triple in zip(re.findall(r"`(\w+)`", names), *parts, strict=True):
            told[name] = tuple(triple.split(" · "))
    assert told == {
        name: tuple(part.name for part in p.parts) for name in POLICIES for p in [fr.policy(name)]
    }


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
