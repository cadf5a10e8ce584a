"use strict";
// Everything on the page is there without this; here it becomes easier to look at.
document.documentElement.classList.add("scripted");
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Policies: a press on an entry of any legend hides or shows its lines, rows and charts.
  const hidden = new Set();
  const toggle = (policy) => {
    const off = !hidden.delete(policy);
    if (off) hidden.add(policy);
    for (const part of all(`[data-policy="${policy}"]`)) part.classList.toggle("off", off);
    for (const key of all(`[data-toggle="${policy}"]`)) key.setAttribute("aria-pressed", String(!off));
  };
  for (const key of all("[data-toggle]")) key.addEventListener("click", () => toggle(key.dataset.toggle));

  // Worlds: one at a time, chosen from the list, from a link in the table, or by the address.
  const chooser = document.getElementById("world");
  const worlds = all("article.world");
  const choose = (value) => {
    for (const world of worlds) world.hidden = value !== "all" && world.id !== `world-${value}`;
    chooser.value = value;
  };
  if (chooser) {
    const fromAddress = () => {
      const world = worlds.find((one) => `#${one.id}` === location.hash);
      if (world) {
        choose(world.id.slice("world-".length));
        world.scrollIntoView();
      }
    };
    choose(worlds[0].id.slice("world-".length));
    fromAddress();
    chooser.addEventListener("change", () => choose(chooser.value));
    window.addEventListener("hashchange", fromAddress);
  }

  // Tables: a press on a head sorts by that column, another one the other way round.
  const value = (row, column) => {
    const item = row.cells[column];
    return item.dataset.value === undefined ? item.textContent.trim() : Number(item.dataset.value);
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b
      : typeof a === "number" ? -1
      : typeof b === "number" ? 1
      : a.localeCompare(b);
  for (const table of all("table.sortable")) {
    all("thead th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = all("tbody tr", table);
        rows.sort((a, b) => (down ? -1 : 1) * compare(value(a, column), value(b, column)));
        table.tBodies[0].append(...rows);
      });
    });
  }

  // Charts: the values nearest to the pointer, or to the point that the arrow keys have reached.
  const readout = document.getElementById("readout");
  const number = (x) => {
    const size = Math.abs(x);
    if (size !== 0 && (size < 1e-4 || size >= 1e9)) return x.toExponential(3);
    return size >= 1000 ? Math.round(x).toLocaleString("en") : x.toLocaleString("en", { maximumSignificantDigits: 4 });
  };
  const prepare = (chart) => {
    if (chart.points) return;
    chart.points = { x: JSON.parse(chart.dataset.x), px: JSON.parse(chart.dataset.px), at: -1 };
  };
  const leave = (chart) => {
    readout.hidden = true;
    for (const guide of all(".guide", chart)) guide.remove();
    if (chart.points) chart.points.at = -1;
  };
  const show = (chart, at) => {
    const points = chart.points;
    points.at = at;
    const x = points.x[at];
    const title = document.createElement("b");
    title.textContent = `${chart.dataset.xLabel} ${typeof x === "number" ? number(x) : x}`;
    const lines = [title];
    for (const mark of all(".mark:not(.off)", chart)) {
      const [mean, low, high] = ["mean", "low", "high"].map((name) => JSON.parse(mark.dataset[name])[at] ?? null);
      if (mean === null) continue;
      const line = document.createElement("span");
      const dot = document.createElement("i");
      const drawn = mark.querySelector("[stroke], [fill]");
      const colour = drawn ? drawn.getAttribute("stroke") || drawn.getAttribute("fill") : "";
      if (/^#/.test(colour)) dot.style.background = colour;
      line.append(dot, `${mark.dataset.name}: ${number(mean)}` + (low === null ? "" : ` [${number(low)}, ${number(high)}]`));
      lines.push(line);
    }
    readout.replaceChildren(...lines);
    readout.hidden = false;
    let guide = chart.querySelector(".guide");
    if (!guide) {
      guide = document.createElementNS("http://www.w3.org/2000/svg", "line");
      guide.setAttribute("class", "guide");
      chart.append(guide);
    }
    for (const [name, where] of [["x1", points.px[at]], ["x2", points.px[at]], ["y1", chart.dataset.top], ["y2", chart.dataset.bottom]]) guide.setAttribute(name, where);
    const box = chart.getBoundingClientRect();
    const left = box.left + (points.px[at] / chart.viewBox.baseVal.width) * box.width;
    const beside = left + 14 + readout.offsetWidth > window.innerWidth ? left - 14 - readout.offsetWidth : left + 14;
    readout.style.left = `${Math.max(4, beside)}px`;
    readout.style.top = `${Math.max(4, Math.min(box.top + 10, window.innerHeight - readout.offsetHeight - 4))}px`;
  };
  for (const chart of all("svg.chart")) {
    chart.addEventListener("pointermove", (event) => {
      prepare(chart);
      const box = chart.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
      const distance = chart.points.px.map((px) => Math.abs(px - x));
      show(chart, distance.indexOf(Math.min(...distance)));
    });
    chart.addEventListener("pointerleave", () => leave(chart));
    chart.addEventListener("blur", () => leave(chart));
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") leave(chart);
      if (!step) return;
      event.preventDefault();
      prepare(chart);
      const last = chart.points.px.length - 1;
      const from = chart.points.at < 0 && step < 0 ? last + 1 : chart.points.at;
      show(chart, Math.max(0, Math.min(last, from + step)));
    });
  }
})();
