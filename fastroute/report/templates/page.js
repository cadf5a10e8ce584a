"use strict";
// Everything on the page is there without this; here it becomes easier to look at.
document.documentElement.classList.add("scripted");
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // What is wider than its place says that it can be moved. In the next frame, because the hint
  // changes the size that is observed.
  const mark = (part) => part.classList.toggle("over", part.scrollWidth > part.clientWidth + 1);
  const sizes = new ResizeObserver((found) => {
    requestAnimationFrame(() => found.forEach(({ target }) => mark(target)));
  });
  for (const part of all(".scroll")) {
    mark(part);
    sizes.observe(part);
  }

  // Lines: a press on an entry of a legend hides or shows them in every chart, and the rows of the
  // policy of that name.
  const hidden = new Set();
  const toggle = (name) => {
    const off = !hidden.delete(name);
    if (off) hidden.add(name);
    for (const part of all("[data-series]")) if (part.dataset.series === name) part.classList.toggle("off", off);
    for (const key of all("[data-key]")) if (key.dataset.key === name) {
      key.classList.toggle("pale", off);
      if (key.hasAttribute("role")) key.setAttribute("aria-pressed", String(!off));
    }
  };
  for (const key of all(".chart [data-key]")) {
    key.addEventListener("click", () => toggle(key.dataset.key));
    if (!key.querySelector("text")) continue;
    for (const [name, value] of [["role", "button"], ["tabindex", "0"], ["aria-pressed", "true"], ["aria-label", `Show ${key.dataset.key}`]]) key.setAttribute(name, value);
    key.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      toggle(key.dataset.key);
    });
  }

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
    if (!chart.panels) chart.panels = JSON.parse(chart.dataset.panels);
    return chart.panels;
  };
  const leave = (chart) => {
    readout.hidden = true;
    for (const guide of all(".guide", chart)) guide.remove();
    chart.reached = undefined;
  };
  // The places of all lines of a panel, from left to right: of each its value and its pixel.
  const places = (panel) => {
    const found = new Map();
    for (const one of panel.series) one.x.forEach((x, at) => found.set(x, one.px[at]));
    return [...found].sort((a, b) => a[1] - b[1]);
  };
  const show = (chart, panel, at) => {
    chart.reached = [panel, at];
    const [x, px] = places(panel)[at];
    const title = document.createElement("b");
    title.textContent = `${panel.x_label} ${number(x)}`;
    const lines = [title];
    for (const one of panel.series) {
      const place = one.x.indexOf(x);
      if (hidden.has(one.name) || place < 0 || one.mean[place] === null) continue;
      const [mean, low, high] = [one.mean[place], one.low[place], one.high[place]];
      const line = document.createElement("span");
      const dot = document.createElement("i");
      dot.style.background = one.colour;
      line.append(dot, `${one.name}: ${number(mean)}` + (low === null || low === high ? "" : ` [${number(low)}, ${number(high)}]`));
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
    const [, top, , bottom] = panel.frame;
    for (const [name, where] of [["x1", px], ["x2", px], ["y1", top], ["y2", bottom]]) guide.setAttribute(name, where);
    const box = chart.getBoundingClientRect();
    const left = box.left + (px / chart.viewBox.baseVal.width) * box.width;
    const beside = left + 14 + readout.offsetWidth > window.innerWidth ? left - 14 - readout.offsetWidth : left + 14;
    readout.style.left = `${Math.max(4, beside)}px`;
    readout.style.top = `${Math.max(4, Math.min(box.top + 10, window.innerHeight - readout.offsetHeight - 4))}px`;
  };
  for (const chart of all("svg.chart")) {
    if (chart.dataset.panels === "[]") continue;
    chart.setAttribute("tabindex", "0");
    chart.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect();
      const scale = chart.viewBox.baseVal.width / box.width;
      const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      const panel = prepare(chart).find(({ frame }) => x >= frame[0] - 4 && x <= frame[2] + 4 && y >= frame[1] && y <= frame[3]);
      if (!panel) return leave(chart);
      const distance = places(panel).map(([, px]) => Math.abs(px - x));
      show(chart, panel, distance.indexOf(Math.min(...distance)));
    });
    chart.addEventListener("pointerleave", () => leave(chart));
    chart.addEventListener("blur", () => leave(chart));
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") leave(chart);
      if (!step) return;
      event.preventDefault();
      const panels = prepare(chart);
      const [panel, at] = chart.reached ?? [panels[0], step < 0 ? places(panels[0]).length : -1];
      show(chart, panel, Math.max(0, Math.min(places(panel).length - 1, at + step)));
    });
  }
})();
