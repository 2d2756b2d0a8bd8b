"""The page of verdicts is one file: claims open to conditions and means, and means to their runs."""

import re
from pathlib import Path

import plotly.offline
import pytest

from research.config.config import Config
from research.config.flat import override
from research.reporting.interactive.verdicts import render
from research.reporting.verdicts import Trial, Verdict, judge
from research.tracking.run_directory import RunDirectory
from tests.config.test_claim import make
from tests.reporting.interactive.test_render import CHROMIUM, DARK, LIGHT, PROBE, Page, browse, data

LEVELS = {"a": 0.7, "b": 0.5}
LOOK = """
const look = () => {
  seen.width = [document.documentElement.scrollWidth, innerWidth];
  seen.colors = [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color];
  const rows = () => [...document.querySelector(".claims").tBodies[0].rows];
  const names = () => rows().map(row => row.querySelector("small").textContent);
  seen.rows = [names()];
  for (const _ of [1, 2]) {
    all(".claims .sort")[4].click();
    seen.rows.push(names());
  }
  seen.more = getComputedStyle(document.querySelector("td.more")).display;
  const claim = rows().find(row => row.querySelector("small").textContent === "high").querySelector(".open");
  claim.click();
  const detail = document.querySelector(".detail");
  const bodies = [...detail.querySelectorAll("tbody")];
  seen.detail = [detail.querySelectorAll("dt").length, ...bodies.map(body => body.rows.length)];
  const mean = detail.querySelector("tr[data-runs] .open");
  mean.click();
  const inner = detail.querySelector(".detail");
  const runs = [...inner.querySelector("tbody").rows].map(row => [...row.cells].map(cell => cell.textContent));
  seen.runs = runs.map(cells => cells.at(-1));
  seen.values = runs.map(cells => cells[1]);
  seen.config = inner.querySelector("dl").textContent;
  const place = inner.querySelector(".plot");
  drawn.add(place);
  draw(place);
  seen.bar = [...place.querySelectorAll(".modebar-btn")].map(button => button.dataset.title);
  seen.curve = [inner.querySelector("select").value, place.data.length, place.data[0].x.length];
  seen.wide = document.documentElement.scrollWidth;
  press(inner.querySelector("summary"), "Escape");
  seen.closed = [all(".detail").length, document.activeElement === mean];
  press(mean, "Escape");
  seen.closed.push(all(".detail").length, document.activeElement === claim);
};
addEventListener("load","""


def verdict(root: Path, name: str, shift: float) -> Verdict:
    """Judge a claim on five seeds of two rows, the last of which has diverged."""
    trials = []
    for row, level in LEVELS.items():
        for seed in range(5):
            config = override(Config(), {"variant": row, "seed": seed, "cell.name": "gru"})
            run = RunDirectory.create(root / name / f"{row}-{seed}", config)
            for step in (10, 20, 30):
                run.append("metrics", {"step": step, "train/loss": 1 / step, "validation/accuracy": level})
            accuracy = level + (shift if row == "a" else 0) + seed / 100
            run.finish({"status": "finished", "summary": {"test/accuracy": accuracy}})
            trials.append(Trial(row, seed, run.result(), run))
    return judge(name, make(published="1 <b> & 2", tried="`x` <i>"), trials)


@pytest.fixture
def verdicts(tmp_path) -> list[Verdict]:
    nothing = judge("none", make(), [Trial(row, seed, None) for row in LEVELS for seed in range(5)])
    return [verdict(tmp_path, "low", -0.6), nothing, verdict(tmp_path, "high", 0)]


def test_the_page_is_well_formed_escaped_and_names_no_other_file(verdicts, monkeypatch):
    monkeypatch.setattr(plotly.offline, "get_plotlyjs", lambda: "")
    text = render(verdicts)
    found = Page(text)
    links = [attributes.get(key) or "" for _, attributes in found.tags for key in ("src", "href") if key in attributes]
    assert all(link.startswith("data:") for link in links)
    assert "1 &lt;b&gt; &amp; 2" in text and "x &lt;i&gt;" in text and "3 claims: 1 holds, 1 fails" in text
    content = data(text)
    assert [len(run["values"]) for run in content["runs"]] == [1] * 20 and len(content["shared"]) == 3
    run = next(run for run in content["runs"] if run["name"] == "b-4")
    assert run["values"] == [0.54] and run["curves"]["train/loss"] == [[10, 20, 30], [0.1, 0.05, 0.03333]]
    assert content["shared"][run["shared"]]["cell.name"] == "gru" and run["options"] == {"variant": "b", "seed": 4}
    assert {"a-0", "high: a"} <= {*(run["name"] for run in content["runs"]), content["variants"][4]["label"]}


@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")
@pytest.mark.parametrize(("width", "colors"), [(1280, LIGHT), (400, DARK)])
def test_a_browser_sorts_claims_and_opens_them_their_means_and_their_runs(verdicts, tmp_path, width, colors):
    start, end = PROBE.index("const look ="), PROBE.index('addEventListener("load",')
    probe = PROBE[:start] + LOOK + PROBE[end + len('addEventListener("load",') :]
    seen = browse(render(verdicts), tmp_path, width, dark=colors == DARK, probe=probe)
    assert seen["faults"] == []
    assert seen["colors"] == colors and seen["width"][0] <= width and seen["wide"] <= width
    first, ascending, descending = seen["rows"]
    assert first == ["low", "none", "high"]
    assert ascending == ["high", "low", "none"] and descending == ascending[::-1]
    assert seen["more"] == ("table-cell" if width > 600 else "none")
    assert seen["detail"] == [4, 1, 2]  # facts, conditions, means
    assert seen["runs"] == [f"a-{seed}" for seed in range(5)] and seen["values"] == ["70", "71", "72", "73", "74"]
    assert "variant" in seen["config"]
    assert (len(seen["bar"]) > 2) == (width > 600) and not re.search("share|cloud|upload", "".join(seen["bar"]).lower())
    assert seen["curve"] == ["validation/accuracy", 5, 3]
    assert seen["closed"] == [1, True, 0, True]
