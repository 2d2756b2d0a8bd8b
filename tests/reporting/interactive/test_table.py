"""The table of the page: its cells open their runs, and are sorted by their values."""

import re
from dataclasses import replace

import pytest

from research.reporting import tables
from research.reporting.interactive import table
from tests.reporting.conftest import compared


@pytest.fixture(scope="module")
def content(gradient_runs) -> str:
    comparison = compared(gradient_runs)
    return "\n".join(table.lines(comparison, tables.table(comparison)))


def test_every_cell_of_the_table_is_there_and_those_of_numbers_are_buttons(gradient_runs, content):
    found = tables.table(compared(gradient_runs))
    texts = re.findall(r"<t[dh](?: [^>]*)?>(?:<button[^>]*>)?(?:<b>)?([^<]*)", content)
    expected = [cell for rows in found.parts.values() for row in (found.header, *rows) for cell in row]
    assert [text.removesuffix(" =") for text in texts] == [cell.replace("&", "&amp;") for cell in expected]
    assert content.count('class="open"') == 8 * (len(found.header) - found.num_keys)


def test_a_row_names_its_runs_by_their_place(gradient_runs, content):
    trials = compared(gradient_runs).trials
    runs = [list(map(int, text.split(","))) for text in re.findall(r'data-runs="([\d,]+)"', content)]
    assert [place for places in runs for place in places] == list(range(24))
    assert all(trials["row"].iloc[places].nunique() == 1 for places in runs)


def test_cells_are_sorted_by_their_centers(gradient_runs, content):
    numbers = tables.table(compared(gradient_runs)).numbers
    centers = [float(text) for text in re.findall(r'data-order="([^"]+)"', content)]
    assert centers == numbers["value"].dropna().tolist() and float("inf") in centers


def test_best_cells_are_bold_and_a_baseline_opens_nothing_and_is_sorted_in_the_unit_of_the_others(attention_runs):
    comparison = compared(attention_runs)
    for result in comparison.trials["result"]:
        result["summary"]["test/baseline/most_frequent/edit_error_rate"] = 0.916
    found = tables.table(comparison)
    ((heading, rows),) = found.parts.items()
    marked = replace(found, marks={(heading, 0, 2): "best", (heading, 1, 2): "tie"})
    text = "\n".join(table.lines(comparison, marked))
    assert f"<b>{rows[0][2]}</b>" in text and f">{rows[1][2]} =<" in text
    (baseline,) = re.findall('<tr><td class="text">.most frequent.</td>(.*?)</tr>', text, re.DOTALL)
    assert '<td data-order="0.916">91.6</td>' in baseline and text.count("data-runs") == 2
    assert re.findall(r"<td[^>]*>([^<]*)</td>", baseline) == list(rows[-1][1:])
