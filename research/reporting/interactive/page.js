"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const UNDERFLOW = "#9E9E9E", OVERFLOW = "#E8112D", MANY = 28;
const find = id => document.getElementById(id);
const state = { setting: 0, on: data.variants.map((_, place) => place < MANY) };

function make(tag, properties = {}, ...children) {
  const { data: marks = {}, aria = {}, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  Object.assign(node.dataset, marks);
  for (const [key, value] of Object.entries(aria)) node.setAttribute(key.startsWith("role") ? key : `aria-${key}`, value);
  node.append(...children);
  return node;
}
const number = value => value === "inf" ? Infinity : value === "-inf" ? -Infinity : value;
const plain = text => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;");  // Plotly reads tags in texts
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colorOf = variant => data.variants[variant].color === "#000000" ? css("--text") : data.variants[variant].color;
const raised = exponent => exponent === 0 ? "1" : "10" + String(exponent).replace(/./g,
  sign => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]);
function choices(select, texts, values = texts) {
  select.replaceChildren(...texts.map((text, place) => make("option", { textContent: text, value: values[place] })));
}

// Plots: drawn when they come into view, and again when a choice or the color scheme changes. Plotly takes a second
// to start, so it starts when the page is shown already.
function startPlotly() {
  if (!window.Plotly) document.head.append(make("script", { textContent: find("plotly").textContent }));
}
const drawers = new Map(), drawn = new Set();
const watcher = new IntersectionObserver(entries => entries.filter(entry => entry.isIntersecting).forEach(entry => {
  watcher.unobserve(entry.target);
  drawn.add(entry.target);
  draw(entry.target);
}), { rootMargin: "200px" });

function plot(place, drawer) {
  drawers.set(place, drawer);
  place.tabIndex = 0;
  place.setAttribute("role", "group");
  place.addEventListener("keydown", event => zoom(place, event));
  watcher.observe(place);
}
function draw(place) {
  if (!drawn.has(place) || !place.isConnected) return;
  startPlotly();
  const { traces, layout } = drawers.get(place)();
  const axis = { gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--text"), automargin: true };
  const narrow = place.clientWidth < 600;
  const whole = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest",
    font: { color: css("--text"), size: narrow ? 11 : 13, family: "system-ui, sans-serif" },
    margin: { l: 50, r: 15, t: layout.title ? 32 : 12, b: 45 }, dragmode: narrow ? false : "zoom", ...layout,
    uirevision: `${place.resets} ${layout.uirevision}`,
    hoverlabel: { bgcolor: css("--back"), font: { color: css("--text") } },
  };
  for (const name of ["xaxis", "yaxis", "yaxis2"]) if (name === "xaxis" || name in whole || name === "yaxis")
    whole[name] = { ...axis, ...layout[name] };
  if (place.view?.revision === whole.uirevision)
    for (const [name, range] of Object.entries(place.view.ranges)) Object.assign(whole[name], { range, autorange: false });
  Plotly.react(place, traces, whole, { responsive: true, displaylogo: false, showSendToCloud: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d"], displayModeBar: narrow ? false : "hover" });
}
function forget(place) {
  if (drawn.delete(place)) Plotly.purge(place);
  drawers.delete(place);
  watcher.unobserve(place);
}
function redraw() { drawers.forEach((_, place) => draw(place)); }
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

function zoom(place, event) {
  if (event.target !== place || !place.layout || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowLeft: ["xaxis", -.2], ArrowRight: ["xaxis", .2], ArrowUp: ["yaxis", .2], ArrowDown: ["yaxis", -.2] };
  const ranges = {};
  const [across, up] = ["xaxis", "yaxis"].map(name => place.layout[name].range);
  if (event.key === "0") {
    event.preventDefault();
    place.resets = (place.resets ?? 0) + 1;
    place.view = undefined;
    return draw(place);
  }
  if (event.key in step) {
    const [name, part] = step[event.key], [low, high] = name === "xaxis" ? across : up;
    ranges[name] = [low + part * (high - low), high + part * (high - low)];
  } else if ("+=-_".includes(event.key)) {
    const factor = "+=".includes(event.key) ? .4 : .625;
    for (const [name, [low, high]] of [["xaxis", across], ["yaxis", up]]) {
      const middle = (low + high) / 2, half = factor * (high - low);
      ranges[name] = [middle - half, middle + half];
    }
  } else return;
  event.preventDefault();
  place.resets = (place.resets ?? 0) + 1;  // what a drag has zoomed to counts no more
  place.view = { revision: `${place.resets} ${drawers.get(place)().layout.uirevision}`,
    ranges: { xaxis: across, yaxis: up, ...ranges } };
  draw(place);
}

// Tables
function orderOf(cell) {
  if (cell.dataset.order !== undefined) return number(cell.dataset.order);
  const value = parseFloat(cell.textContent);
  return cell.tagName === "TH" || Number.isNaN(value) ? cell.textContent : value;
}
function sort(button) {
  const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
  table.querySelectorAll(".open[aria-expanded=true]").forEach(close);
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const absent = cell => cell.dataset.order === undefined && /^(—|undefined.*|)$/.test(cell.textContent);
  const compare = (left, right) => {
    const [a, b] = [left, right].map(row => row.cells[head.cellIndex]);
    if (absent(a) || absent(b)) return absent(a) - absent(b);  // what was not measured stays last
    const [x, y] = [orderOf(a), orderOf(b)].map(Number);
    const order = Number.isNaN(x) || Number.isNaN(y)
      ? a.textContent.localeCompare(b.textContent, undefined, { numeric: true }) : x === y ? 0 : x - y;
    return down ? -order : order;
  };
  body.append(...[...body.rows].sort(compare));
}
function close(button) {
  button.setAttribute("aria-expanded", "false");
  const row = button.closest("tr").nextElementSibling;
  if (!row?.classList.contains("detail")) return;
  row.querySelectorAll(".plot").forEach(forget);
  row.remove();
}
function list(options) {
  return make("dl", {}, ...Object.entries(options).flatMap(([key, value]) =>
    [make("dt", { textContent: key }), make("dd", { textContent: value === "" ? '""' : String(value) })]));
}
function open(button) {
  const row = button.closest("tr"), wasOpen = button.getAttribute("aria-expanded") === "true";
  row.querySelectorAll(".open[aria-expanded=true]").forEach(close);
  if (wasOpen) return;
  button.setAttribute("aria-expanded", "true");
  const content = row.querySelector("template")?.content.cloneNode(true);
  const box = content ? make("div", {}, content) : runsOf(row, data.columns[button.dataset.column], button.dataset.column);
  row.after(make("tr", { className: "detail" }, Object.assign(make("td", {}, box), { colSpan: row.cells.length })));
}
function runsOf(row, column, place) {
  const runs = row.dataset.runs.split(",").map(number => data.runs[number]), box = make("div");
  const factor = column?.percent ? 100 : 1;
  const shown = value => value === null || value === undefined ? "—" : typeof value === "string" ? value
    : `${+(factor * value).toPrecision(4)}`;
  const title = `${data.variants[runs[0].variant].label || "runs"}${column ? `: ${column.title}` : ""}`;
  const head = ["seed", ...(column ? [column.title] : []), "status", "run"];
  const lines = runs.map(run => make("tr", {}, ...[run.seed, ...(column ? [shown(run.values[place])] : []),
    run.status, run.name].map(text => make("td", { textContent: text }))));
  box.append(make("strong", { textContent: title }), make("div", { className: "scroll" }, make("table", {},
    make("thead", {}, make("tr", {}, ...head.map(text => make("th", { textContent: text })))), make("tbody", {}, ...lines))));
  const metrics = data.metrics.filter(key => runs.some(run => run.curves[key]?.[0].length > 1));
  if (metrics.length) {
    const select = make("select"), plotted = make("div", { className: "plot", aria: { label: `Curves of ${title}` } });
    choices(select, metrics);
    const validated = column?.key.replace(/^test\//, "validation/");
    select.value = metrics.includes(validated) ? validated : metrics[0];
    select.addEventListener("change", () => draw(plotted));
    box.append(make("div", { className: "row" }, make("label", {}, "Curve ", select)), plotted);
    plot(plotted, () => curves(runs, select.value, false, true));
  }
  for (const run of runs) box.append(make("details", {}, make("summary", { textContent: `Config of ${run.name}` }),
    make("div", { className: "note", textContent: run.path }), list(run.options),
    make("details", {}, make("summary", { textContent: "Options that all runs share" }), list(data.shared[run.shared]))));
  return box;
}
find("tables").addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button?.classList.contains("sort")) sort(button);
  if (button?.classList.contains("open")) open(button);
});
find("tables").addEventListener("keydown", event => {
  if (event.key !== "Escape") return;
  let row = event.target.closest("tr"), button = null;
  while (row && !button) {  // the innermost one that is open
    if (row.classList.contains("detail")) row = row.previousElementSibling;
    button = row.querySelector(":scope > * > .open[aria-expanded=true]");
    row = row.parentElement.closest("tr.detail");
  }
  if (button) { close(button); button.focus(); }
});

// Learning curves
function curves(runs, metric, log, bySeed = false) {
  const dashes = ["solid", "dash", "dot", "dashdot", "longdash"];
  const traces = runs.map((run, place) => {
    const [steps, values] = run.curves[metric] ?? [[], []];
    return { type: "scatter", mode: values.length > 40 ? "lines" : "lines+markers", x: steps,
      y: values.map(value => typeof value === "string" ? null : value), marker: { size: 5 },
      line: { color: colorOf(run.variant), width: 2, dash: bySeed ? dashes[place % 5] : data.variants[run.variant].dash },
      text: `${plain(data.variants[run.variant].label)}, seed ${plain(run.seed)}<br>${plain(run.name)}`,
      hovertemplate: "%{text}<br>update %{x}: %{y}<extra></extra>" };
  });
  return { traces, layout: { uirevision: `${state.setting} ${metric} ${log}`, xaxis: { title: { text: "update" } },
    yaxis: { title: { text: plain(metric) }, type: log ? "log" : "linear" } } };
}
