"""The interactive page is one file that needs no network; headless Chromium draws it where there is one."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.offline
import pytest

from research.reporting import tables
from research.reporting.interactive.render import render
from tests.reporting.conftest import FACTORS, H, compared

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
LIGHT, DARK = ["rgb(255, 255, 255)", "rgb(29, 29, 31)"], ["rgb(22, 22, 25)", "rgb(236, 236, 240)"]
VOID = {"meta", "link", "input", "br"}
PROBE = """<script>{
const faults = [], seen = {};
addEventListener("error", event => faults.push(event.message));
addEventListener("unhandledrejection", event => faults.push(String(event.reason)));
console.error = console.warn = (...words) => faults.push(words.join(" "));
const find = id => document.getElementById(id), all = css => [...document.querySelectorAll(css)];
const press = (node, key) => node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const change = (node, value) => {
  node.value = value;
  ["input", "change"].forEach(name => node.dispatchEvent(new Event(name)));
};
const look = () => {
  seen.width = [document.documentElement.scrollWidth, innerWidth];
  seen.colors = [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color];
  const names = () => [...document.querySelector("tbody").rows].map(row => row.cells[0].textContent);
  seen.rows = [names()];
  for (const _ of [1, 2]) {
    all("th .sort")[2].click();
    seen.rows.push(names());
  }
  const button = all("tbody .open")[1];
  button.click();
  seen.opened = [names()[1], ...all(".detail table td:last-child").map(cell => cell.textContent)];
  seen.config = document.querySelector(".detail dl").textContent;
  press(document.querySelector(".detail summary"), "Escape");
  seen.closed = [all(".detail").length, document.activeElement === button];
  const lines = find("lines"), heat = find("heat");
  for (const place of [lines, heat]) {
    drawn.add(place);
    draw(place);
  }
  const marks = ["triangle-down", "triangle-up"].map(symbol => lines.data.filter(x => x.marker?.symbol === symbol));
  seen.bar = all(".modebar-btn").map(button => button.dataset.title);
  seen.lines = [lines.data.length, ...marks.map(traces => traces.length)];
  seen.ends = marks.map(([trace]) => trace.y[0]);
  seen.ticks = lines.layout.yaxis.ticktext.slice(-2);
  change(find("update"), 2);
  seen.update = [find("update").getAttribute("aria-valuetext"), heat.layout.shapes[0].y0];
  change(find("heated"), "all");
  seen.heat = heat.data.map(trace => trace.z.flat().filter(value => value !== null).length);
  document.querySelector("#variants input").click();
  seen.fewer = lines.data.length;
  const end = lines.layout.xaxis.range[1];
  press(lines, "+");
  change(find("update"), 1);
  seen.zoom = [end, lines.layout.xaxis.range[1]];
  press(lines, "0");
  seen.zoom.push(lines.layout.xaxis.range[1]);
};
addEventListener("load", () => setTimeout(() => {
  try { look(); } catch (error) { faults.push(error.stack); }
  parent.postMessage(JSON.stringify({ faults, ...seen }), "*");
}, 100));
}</script>"""
FRAME = """<!doctype html><meta name="color-scheme" content="light dark">
<iframe src="page.html" style="width: WIDTHpx; height: 900px; border: 0"></iframe>
<script>addEventListener("message", event => { document.body.dataset.seen = event.data; })</script>"""


class Page(HTMLParser):
    """Collects tags with their attributes; checks that they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def without_plotly(monkeypatch):
    """A page of kilobytes, which is read at once."""
    monkeypatch.setattr(plotly.offline, "get_plotlyjs", lambda: "")


def page(root: Path) -> str:
    comparison = compared(root)
    return render(comparison, tables.table(comparison), {})


def browse(text: str, folder: Path, width: int, dark: bool, probe: str = PROBE) -> dict[str, Any]:
    """Return what the probe sees in a page, in a frame of that width: a window cannot be as narrow."""
    (folder / "page.html").write_text(text.replace("<head>", f"<head>{probe}", 1))
    (folder / "frame.html").write_text(FRAME.replace("WIDTH", str(width)))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--window-size=1400,950"]
    flags += [f"--user-data-dir={folder / 'profile'}", f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    command = [CHROMIUM, *flags, "--dump-dom", (folder / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    (body,) = re.findall(r'<body data-seen="(.*?)">', done.stdout)
    return json.loads(html.unescape(body))


def data(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.mark.usefixtures("without_plotly")
def test_the_page_is_well_formed_and_names_no_other_file(gradient_runs):
    found = Page(page(gradient_runs))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) and {"tables", "profiles", "update", "examples"} <= set(ids)
    links = [attributes.get(key) or "" for _, attributes in found.tags for key in ("src", "href") if key in attributes]
    assert all(link.startswith(("data:", "#")) for link in links)


@pytest.mark.usefixtures("without_plotly")
def test_the_data_have_the_config_the_values_and_the_profiles_of_each_run(gradient_runs):
    content = data(page(gradient_runs))
    assert len(content["runs"]) == 24 and len(content["profiles"]) == 2
    run = next(run for run in content["runs"] if run["name"] == "mnist_196-lstm bias 1-1")
    assert (
        run["seed"] == 1
        and run["options"]["variant"] == "lstm bias 1"
        and content["shared"][0]["model.num_layers"] == 1
    )
    assert "variant" not in content["shared"][0]
    place = next(place for place, column in enumerate(content["columns"]) if column["key"] == "test/accuracy")
    assert run["values"][place] == 0.91
    assert {run["status"] for run in content["runs"]} == {"finished", "diverged", "unfinished"}
    assert H in content["profiles"][0]


@pytest.mark.usefixtures("without_plotly")
def test_curves_are_those_that_change_and_are_thinned(attention_runs):
    records = [
        {"step": step, "train/loss": 1 / (step + 3), "validation/loss": 0.5, "train/seconds": 1.0, "test/loss": 0.1}
        for step in range(500)
    ]
    for run in attention_runs.glob("*-*"):
        (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n")
    content = data(page(attention_runs))
    assert content["metrics"] == ["train/loss", "validation/loss"]
    steps, values = content["runs"][0]["curves"]["train/loss"]
    assert (steps[0], steps[-1], values[0]) == (0, 499, 0.3333) and len(steps) == len(values) == 100
    assert [error["by"] for error in content["errors"][0]] == ["letters of the input", "position in the target"]


@pytest.mark.usefixtures("without_plotly")
def test_names_cannot_break_out_of_the_page(attention_runs):
    evil = '</script><img src=x onerror="alert(1)">'
    for run in attention_runs.glob("none-*"):
        config = json.loads((run / "config.json").read_text())
        (run / "config.json").write_text(json.dumps(config | {"variant": evil}))
    comparison = compared(attention_runs)
    table = replace(tables.table(comparison), claim=evil)
    text = render(comparison, table, {})
    assert evil not in text
    assert all(tag != "img" for tag, _ in Page(text).tags)
    assert evil in {run["options"].get("variant") for run in data(text)["runs"]}


@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")
@pytest.mark.parametrize(("width", "colors"), [(1280, LIGHT), (400, DARK)])
def test_a_browser_draws_sorts_opens_and_zooms_without_a_fault(gradient_runs, tmp_path, width, colors):
    seen = browse(page(gradient_runs), tmp_path, width, dark=colors == DARK)
    assert seen["faults"] == []
    assert seen["width"] == [width - 15, width]  # of a scroll bar: nothing is wider
    assert seen["colors"] == colors
    rows, ascending, descending = seen["rows"]
    assert rows == [*FACTORS] and ascending == sorted(rows, key=lambda row: FACTORS[row]) == descending[::-1]
    assert seen["opened"][1:] == [f"mnist_196-{descending[0]}-{seed}" for seed in range(3)]
    assert "init.gain1.2" in seen["config"] and seen["closed"] == [0, True]
    assert (len(seen["bar"]) > 2) == (width > 600) and not re.search("share|cloud|upload", "".join(seen["bar"]).lower())
    bands, lines = 4, 4
    assert seen["lines"] == [bands + lines + 2, 1, 1] and seen["ticks"] == ["0", "∞"]
    floor, ceiling = seen["ends"]
    assert floor < -30 and ceiling > 30
    assert seen["update"] == ["100 updates", 1.5]
    assert len(seen["heat"]) == 3 and sum(seen["heat"]) == 4 * 96 and min(seen["heat"]) > 0
    assert seen["fewer"] == seen["lines"][0] - 3  # a line, its band and its marks
    start, near, again = seen["zoom"]
    assert near < start == again
