"""One table, four formats, and nothing swept under it."""

from html.parser import HTMLParser

import pytest

from research.config.config import Config
from research.config.experiment import Column, Experiment
from research.config.flat import override
from research.reporting.comparison import read
from research.reporting.tables import Table, render, table
from research.tracking.run_directory import RunDirectory, find
from tests.reporting.conftest import write

AWKWARD = Table(
    name="a_b",
    claim="50% of <x> & |y|_1 \\ {z}",
    header=("variant", "error (%)"),
    parts={"set_1: 50% & <more>": [("rnn_a & |b| <c>", "3.1e-7 ×/÷ 1.04"), ("100%", "(1.10 ± 0.25)e7")]},
    notes=("—: not measured_here.",),
)


@pytest.fixture
def gradient_table(gradient_runs):
    (group,) = read(find(gradient_runs))
    return table(group)


def row(content: Table, setting: str, variant: str) -> dict[str, str]:
    (rows,) = [rows for heading, rows in content.parts.items() if heading.startswith(setting)]
    (found,) = [row for row in rows if row[0] == variant]
    return dict(zip(content.header, found, strict=True))


def test_underflow_and_overflow_stand_in_the_table(gradient_table):
    assert row(gradient_table, "mnist_196", "rnn gain 0.9")["first / last"] == "0 (3/3)"
    exploding = row(gradient_table, "mnist_196", "rnn gain 1.2")
    assert (exploding["first / last"], exploding["half-life (steps)"]) == ("inf (3/3)", "inf (3/3)")
    assert exploding["overflow (%)"] != "0 ± 0"
    assert any(note.startswith("0, inf or undefined (k/n)") for note in gradient_table.notes)


def test_diverged_and_unfinished_trials_are_shown(gradient_table):
    assert row(gradient_table, "mnist_196", "rnn gain 1.2")["seeds"] == "3 (1 diverged)"
    assert row(gradient_table, "adding_200", "gru chrono")["seeds"] == "2 of 3"
    assert "1 of 24 trials has no result yet: adding_200 / gru chrono (1)." in gradient_table.notes


def test_a_key_that_no_trial_has_is_a_dash(gradient_table):
    assert row(gradient_table, "mnist_196", "lstm bias 1")["first / last, trained"] == "—"
    assert "—: not measured." in gradient_table.notes


def test_each_part_is_headed_by_what_the_setting_is(gradient_table):
    expected = "MNIST, 196 steps of 4 pixels; trained for 1200 steps of 16 sequences; 64 hidden units; 3 seeds"
    assert next(iter(gradient_table.parts)) == f"mnist_196: {expected}"


def test_notes_are_only_about_what_is_there(tmp_path, grouped):
    for seed in (0, 1):
        write(tmp_path / str(seed), override(Config(), {"seed": seed}), x=0.5 + seed)
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))))
    assert content.notes == ("Mean ± 95% t-interval over seeds.",)


def test_signatures_are_noted_with_the_settings_that_have_them(tmp_path, grouped):
    result = {"status": "finished", "summary": {"x": 1.0}}
    for seed, (setting, tokens) in enumerate((("de", "13a"), ("fr", "13a"), ("ja", "char"))):
        run = RunDirectory.create(tmp_path / setting, Config(setting=setting, seed=seed))
        run.finish({**result, "signatures": {"bleu": f"tok:{tokens}"}})
    declared = Experiment(
        claim="c", base=Config(), columns=(Column("x", "x"),), settings={"de": {}, "fr": {}, "ja": {}}
    )
    assert table(grouped(tmp_path, declared)).notes[1:] == ("bleu (de, fr): tok:13a", "bleu (ja): tok:char")


def test_a_row_of_unfinished_trials_is_a_row(tmp_path, grouped):
    RunDirectory.create(tmp_path / "0", Config())
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))))
    assert list(content.parts.values()) == [[("base", "0 of 1", "—")]]


def test_the_terminal_aligns_the_parts_and_wraps_where_it_must(gradient_table):
    wide = render(gradient_table, "terminal")
    heads = [line for line in wide.splitlines() if line.startswith("variant ")]
    assert len(heads) == 2 and heads[0] == heads[1]
    assert "rnn gain 0.9" in wide and "0 (3/3)" in wide
    narrow = render(gradient_table, "terminal", width=80)
    assert max(map(len, narrow.splitlines())) <= 80
    cells = [cell for rows in gradient_table.parts.values() for row in rows for cell in row]
    assert all(cell in narrow for cell in cells) and "…" not in narrow  # not a digit is cut off


def test_markdown_keeps_the_columns_apart():
    lines = render(AWKWARD, "markdown").splitlines()
    cells = [line.replace("\\|", "").count("|") for line in lines if line.startswith("|")]
    assert cells == [3] * 4
    assert "rnn\\_a" in render(AWKWARD, "markdown")


def test_latex_has_escapes_rules_and_mathematics():
    found = render(AWKWARD, "latex")
    assert r"$3.1\times 10^{-7}$" in found and r"(1.10 $\pm$ 0.25)$\times 10^{7}$" in found
    assert r"set\_1: 50\% \& $<$more$>$" in found and r"\textbackslash{} \{z\}" in found
    assert found.isascii()
    assert found.count(r"\begin{tabular}") == found.count(r"\end{tabular}") == found.count(r"\toprule") == 1


def test_a_wide_table_is_shrunk_to_the_width_of_a_latex_page_and_a_narrow_one_left_alone():
    found = render(AWKWARD, "latex")
    assert found.startswith("% \\usepackage{booktabs,adjustbox}\n")
    begin, end = r"\begin{adjustbox}{max width=\textwidth}", r"\end{adjustbox}"
    inner = found[found.index(begin) + len(begin) : found.index(end)].strip()
    assert inner.startswith(r"\begin{tabular}") and inner.endswith(r"\end{tabular}")


def test_a_wide_html_table_scrolls_by_itself():
    found = render(AWKWARD, "html")
    assert found.count('<div style="overflow-x:auto">\n<table>') == found.count("</table>\n</div>") == 1


def test_html_is_well_formed_and_escaped():
    found = render(AWKWARD, "html")
    opened: list[str] = []
    texts: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

        def handle_data(self, data):
            texts.append(data.strip())

    Reader().feed(found)
    assert opened == []
    assert {"rnn_a & |b| <c>", "set_1: 50% & <more>", AWKWARD.claim} <= set(texts)
