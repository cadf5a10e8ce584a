"""The page in headless Chromium: nothing goes wrong, and what can be pressed does what it says."""

from pathlib import Path

import polars as pl
import pytest

from fastroute.report import write_page
from fastroute.study import StoredStudy, run_study
from pages import Node, open_in_chromium
from studies import mini

# What a user does, and what the page says then, written where the test finds it.
USE = """
const note = (name, value) => document.documentElement.setAttribute(`data-${name}`, value);
const visible = (node) => node.getClientRects().length > 0;
const press = (node) => node.click();
press(document.querySelector('#world-2 [data-toggle="1"]'));
const table = document.getElementById("results");
press([...table.querySelectorAll("thead button")].find((b) => b.textContent === "regret"));
const column = [...table.querySelectorAll("thead th")].findIndex((h) => h.textContent === "regret");
const order = () => [...table.tBodies[0].rows].map((r) => r.cells[column].dataset.value).join(" ");
note("up", order());
press([...table.querySelectorAll("thead button")].find((b) => b.textContent === "regret"));
note("down", order());
const chart = document.querySelector('[data-chart="regret-2"]');
const box = chart.getBoundingClientRect();
chart.dispatchEvent(new PointerEvent("pointermove", { clientX: box.right - 2, clientY: box.top }));
note("pointed", document.getElementById("readout").innerText);
chart.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
note("stepped", document.getElementById("readout").innerText);
chart.dispatchEvent(new PointerEvent("pointerleave"));
note("left", document.getElementById("readout").hidden);
const rows = [...document.querySelectorAll("#results-2 tbody tr")];
note("rows", rows.filter(visible).map((row) => row.cells[0].innerText).join(" "));
press(document.querySelector('#world-2 [data-toggle="1"]'));
note("rows-again", rows.filter(visible).map((row) => row.cells[0].innerText).join(" "));
const articles = [...document.querySelectorAll("article")];
const worlds = () => articles.filter(visible).map((world) => world.id).join(" ");
note("linked", worlds());
const chooser = document.getElementById("world");
chooser.value = "3";
chooser.dispatchEvent(new Event("change"));
note("chosen", worlds());
chooser.value = "all";
chooser.dispatchEvent(new Event("change"));
note("all", worlds());
note("wide", document.documentElement.scrollWidth > window.innerWidth);
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    study = mini(
        policy=[{"name": "stageroute"}, {"name": "uniform"}, {"name": "greedy"}],
        setting={"budget": ["1.2 * cheapest", "2 * cheapest"], "trials": 70},
    )
    stored = run_study(study, tmp_path_factory.mktemp("browser") / "run", progress=False)
    write_page(stored.path)
    return stored


def shown(page: Node, name: str) -> str:
    return page.one("html").attrs[f"data-{name}"]


def test_pressing_pointing_and_choosing(stored: StoredStudy, tmp_path: Path) -> None:
    page = stored.path / "report.html"
    opened = open_in_chromium(page, tmp_path, address="#world-2", script=USE)
    assert opened.console == []
    dom = opened.dom
    # The address chose the world; the list chose others.
    assert shown(dom, "linked") == "world-2"
    assert shown(dom, "chosen") == "world-3"
    assert shown(dom, "all") == "world-0 world-1 world-2 world-3"
    assert shown(dom, "wide") == "false"
    # A press took uniform away everywhere, and another one brought it back.
    assert shown(dom, "rows") == "stageroute greedy"
    assert shown(dom, "rows-again") == "stageroute uniform greedy"
    regret = stored.summary.filter(quantity="regret").collect()["mean"].to_list()
    assert [float(word) for word in shown(dom, "up").split()] == sorted(regret)
    assert [float(word) for word in shown(dom, "down").split()] == sorted(regret)[::-1]
    # The readout has the values of the frames at the checkpoint, without those of uniform.
    curves = stored.curves.filter(pl.col("world") == 2, quantity="regret").collect()
    rounds = sorted(set(curves["round"]))
    for name, at in (("pointed", rounds[-1]), ("stepped", rounds[-2])):
        lines = shown(dom, name).splitlines()
        assert lines[0] == f"rounds {at}"
        assert [line.partition(":")[0] for line in lines[1:]] == ["stageroute", "greedy"]
        for line in lines[1:]:
            policy, _, numbers = line.partition(": ")
            mean = curves.filter(policy=policy, round=at)["mean"].item()
            assert float(numbers.split(" ")[0].replace(",", "")) == pytest.approx(mean, rel=1e-3)
    assert shown(dom, "left") == "true"


def test_numbers_in_the_browser_are_those_of_the_frames(
    stored: StoredStudy, tmp_path: Path
) -> None:
    opened = open_in_chromium(stored.path / "report.html", tmp_path)
    assert opened.console == []
    summary = stored.summary.filter(quantity="priced_regret").collect()
    results = opened.dom.one("table", id="results")
    for cell, mean in summary.select("cell", "mean").iter_rows():
        (row,) = results.all("tr", data_cell=str(cell))
        assert float(row.one("td", data_name="priced_regret").attrs["data-value"]) == mean
    # Without an address the first world is shown, and the others wait.
    hidden = ["hidden" in world.attrs for world in opened.dom.all("article")]
    assert hidden == [False, True, True, True]


def test_an_error_in_the_page_would_be_seen(stored: StoredStudy, tmp_path: Path) -> None:
    page = stored.path / "report.html"
    opened = open_in_chromium(page, tmp_path, script="throw new Error('on purpose')")
    assert any("on purpose" in line for line in opened.console)
    # And so would anything that reaches for the network.
    script = "document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))"
    opened = open_in_chromium(page, tmp_path, script=script)
    assert any("Content Security Policy" in line for line in opened.console)
