"""The page in headless Chromium: nothing goes wrong, and what can be pressed does what it says."""

import re
from pathlib import Path

import polars as pl
import pytest

from fastroute.analyse import curve_intervals
from fastroute.report import write_page
from fastroute.study import StoredStudy, run_study
from pages import Node, open_in_chromium, read
from studies import mini

# What a user does, and what the page says then, written where the test finds it.
USE = """
const visible = (node) => node.getClientRects().length > 0;
const press = (node) => node.dispatchEvent(new MouseEvent("click", { bubbles: true }));
const articles = [...document.querySelectorAll("article")];
const worlds = () => articles.filter(visible).map((world) => world.id).join(" ");
note("linked", worlds());
const table = document.getElementById("results");
const buttons = [...table.querySelectorAll("thead button")];
const head = (name) => buttons.find((button) => button.textContent === name);
press(head("regret"));
const column = buttons.indexOf(head("regret"));
const order = () => [...table.tBodies[0].rows].map((r) => r.cells[column].dataset.value).join(" ");
note("up", order());
press(head("regret"));
note("down", order());
const chart = document.querySelector('[data-chart="regret-2"]');
const readout = document.getElementById("readout");
const point = () => {
  const box = chart.getBoundingClientRect();
  const scale = box.width / chart.viewBox.baseVal.width;
  const [left, top, right, bottom] = JSON.parse(chart.dataset.panels)[0].frame;
  const [clientX, clientY] = [box.left + scale * right, box.top + scale * (top + bottom) / 2];
  chart.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
  return readout.innerText;
};
note("every", point());
const key = chart.querySelector('[role="button"][data-key="uniform"]');
const lines = [...document.querySelectorAll('[data-series="uniform"]')];
const off = () => lines.filter((node) => getComputedStyle(node).display === "none").length;
const rows = [...document.querySelectorAll("#results-2 tbody tr")];
const shown = () => rows.filter(visible).map((row) => row.cells[0].innerText).join(" ");
press(key);
note("lines", `${off()} of ${lines.length}`);
note("rows", shown());
note("pressed", key.getAttribute("aria-pressed"));
note("pointed", point());
chart.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
note("stepped", readout.innerText);
note("guide", chart.querySelectorAll(".guide").length);
chart.dispatchEvent(new PointerEvent("pointerleave"));
note("left", `${readout.hidden} ${chart.querySelectorAll(".guide").length}`);
key.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
note("lines-again", `${off()} of ${lines.length}`);
note("rows-again", shown());
const chooser = document.getElementById("world");
chooser.value = "3";
chooser.dispatchEvent(new Event("change"));
note("chosen", worlds());
chooser.value = "all";
chooser.dispatchEvent(new Event("change"));
note("all", worlds());
"""

# Opens all that is folded up, and looks for what is wider than the window.
WIDE = """
for (const part of document.querySelectorAll("details")) part.open = true;
const chooser = document.getElementById("world");
chooser.value = "all";
chooser.dispatchEvent(new Event("change"));
note("width", innerWidth);
note("wide", document.documentElement.scrollWidth);
const beyond = (node) => node.getBoundingClientRect().right > innerWidth + 1;
const cut = [...document.body.querySelectorAll("*")].filter(
  (node) => beyond(node) && !node.closest(".scroll"),
);
const parts = [...document.querySelectorAll(".scroll")];
const wider = parts.filter((part) => part.scrollWidth > part.clientWidth + 1);
note("wider", wider.length);
const hinted = () => note(
  "hinted",
  wider.filter((part) => getComputedStyle(part, "::before").content.includes("scroll")).length,
);
hinted();
// The page hears of changed sizes with a frame, and answers in the next one.
const ask = () => { hinted(); requestAnimationFrame(ask); };
requestAnimationFrame(ask);
note("cut", cut.map((node) => node.tagName).join(" "));
"""


LONG = "greedy with a name that is long enough to need more than one line, 東京大学の方策"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    study = mini(
        policy=[{"name": "stageroute"}, {"name": "uniform"}, {"name": "greedy", "label": LONG}],
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
    # A press took the lines and rows of uniform away everywhere, and a key brought them back.
    count = len(read(page).all(data_series="uniform"))
    assert count > 4 * 5 * 2
    assert shown(dom, "lines") == f"{count} of {count}"
    assert shown(dom, "rows") == f"stageroute {LONG}"
    assert shown(dom, "pressed") == "false"
    assert shown(dom, "lines-again") == f"0 of {count}"
    assert shown(dom, "rows-again") == f"stageroute uniform {LONG}"
    regret = stored.summary.filter(quantity="regret").collect()["mean"].to_list()
    assert [float(word) for word in shown(dom, "up").split()] == sorted(regret)
    assert [float(word) for word in shown(dom, "down").split()] == sorted(regret)[::-1]
    # The readout has the values of the frames at the checkpoint, without those of hidden lines.
    curves = stored.curves.filter(pl.col("world") == 2, quantity="regret").collect()
    rounds = sorted(set(curves["round"]))
    every = ["stageroute", "uniform", LONG]
    for name, at, policies in (
        ("every", rounds[-1], every),
        ("pointed", rounds[-1], every[::2]),
        ("stepped", rounds[-2], every[::2]),
    ):
        title, *lines = shown(dom, name).splitlines()
        assert title == f"rounds {at}"
        assert [line.partition(":")[0] for line in lines] == policies
        for line, policy in zip(lines, policies, strict=True):
            found = curve_intervals(curves.filter(policy=policy)).filter(round=at)
            numbers = re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", line.partition(": ")[2])
            assert numbers is not None
            read_off = [float(number.replace(",", "")) for number in numbers.groups()]
            truth = [found[stat].item() for stat in ("mean", "low", "high")]
            assert read_off == pytest.approx(truth, rel=1e-3)
    assert shown(dom, "guide") == "1"
    assert shown(dom, "left") == "true 0"


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_window(stored: StoredStudy, tmp_path: Path, width: int) -> None:
    opened = open_in_chromium(stored.path / "report.html", tmp_path, script=WIDE, width=width)
    assert opened.console == []
    assert shown(opened.dom, "width") == str(width)
    assert int(shown(opened.dom, "wide")) <= width
    assert shown(opened.dom, "cut") == ""
    # What can be moved says so.
    wider = int(shown(opened.dom, "wider"))
    assert wider > 4 or width > 390
    assert int(shown(opened.dom, "hinted")) == wider


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
