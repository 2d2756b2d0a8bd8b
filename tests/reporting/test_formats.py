"""One table in five formats: aligned, escaped, with the same cells and marks."""

import itertools
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from research.config.config import Config
from research.config.experiment import Column, Experiment, load, names
from research.config.flat import override
from research.options import flatten
from research.reporting.comparison import Comparison, compare
from research.reporting.formats import Format, render
from research.reporting.tables import Table, table
from tests.reporting.conftest import grouped, write

LATEX = shutil.which("pdflatex")

AWKWARD = Table(
    name="a_b",
    claim="50% of <x> & |y|_1 \\ {z}",
    header=("variant", "error (%)"),
    parts={"set_1: 50% & <more>": [("rnn_a & |b| <c>", "3.1e-7 (n=1)"), ("100%", "1.10 [1.0, 1.2]e7")]},
    notes=("—: not measured_here.",),
)


def test_several_keys_name_the_rows_in_every_format(tmp_path):
    for cell, gain in itertools.product(("lstm", "rnn"), (0.9, 1.2)):
        options = {"cell.name": cell, "init.gain": gain}
        write(tmp_path / f"{cell}{gain}", override(Config(), options), **{"test/loss": gain, "train/x": 1.0})
    declared = Experiment(claim="c", base=Config(), columns=(Column("other", "other"),))
    content = table(grouped(tmp_path, declared))
    assert (content.claim, content.header) == ("", ("cell", "gain", "seeds", "loss"))
    (rows,) = content.parts.values()
    assert [row[:2] for row in rows] == [("rnn", "0.9"), ("rnn", "1.2"), ("lstm", "0.9"), ("lstm", "1.2")]
    assert "rnn    0.9" in render(content, "terminal", width=25)
    assert "{llrr}" in render(content, "latex") and "test." not in render(content, "latex")
    assert "| rnn    | 0.9    |" in render(content, "markdown")


def test_the_terminal_aligns_the_parts_and_wraps_where_it_must(gradient_table):
    wide = render(gradient_table, "terminal")
    heads = [line for line in wide.splitlines() if line.startswith("variant ")]
    assert len(heads) == 2 and heads[0] == heads[1]
    assert "rnn gain 0.9" in wide and "0 (3/3)" in wide
    narrow = render(gradient_table, "terminal", width=80)
    assert max(map(len, narrow.splitlines())) <= 80
    cells = [cell for rows in gradient_table.parts.values() for row in rows for cell in row]
    assert all(cell in narrow for cell in cells) and "…" not in narrow  # not a digit is cut off


def test_a_name_too_long_for_the_terminal_is_wrapped_between_words_and_a_title_as_well():
    words = "a variant whose name says everything about what is special in it"
    rows = [(words, "1.0"), ("unbreakable_name_of_one_word", "2.0")]
    content = replace(AWKWARD, header=("variant", "error of a kind that takes many words (%)"), parts={"s": rows})
    assert words in render(content, "terminal")
    narrow = render(content, "terminal", width=60).splitlines()
    assert max(map(len, narrow)) <= 60 and "unbreakable_name_of_one_word" in " ".join(narrow)
    start = narrow.index(next(line for line in narrow if line.startswith("a variant")))
    lines = [line[:27] for line in narrow[start : start + 4]]
    assert " ".join(" ".join(lines).split()).startswith(f"{words} unbreakable")
    assert all(line == lines[0] or line.startswith("  ") for line in lines[:3])
    assert narrow[start].endswith("1.0")
    noted = render(
        replace(content, notes=("a/path/that/is/longer/than/the/terminal", "half-life")), "terminal", width=30
    )
    assert noted.endswith("a/path/that/is/longer/than/the/terminal\nhalf-life\n")


def test_many_blocks_show_no_column_that_a_part_lacks_and_say_how_to_choose_some():
    header = (
        "variant",
        "seeds",
        *(f"a long title, number {number}{' of two lines' * (number == 3)}" for number in range(10)),
    )
    cells = [["1.0" if number % 2 == odd else "—" for number in range(10)] for odd in range(2)]
    content = replace(AWKWARD, header=header, parts={name: [("a", "1", *cells[odd])] for odd, name in enumerate("st")})
    narrow = render(content, "terminal", width=40)
    titles = [re.findall(r"number (\d)", part) for part in narrow.split("\nt\n")]
    assert titles == [["0", "2", "4", "6", "8"], ["1", "3", "5", "7", "9"]]
    assert narrow.count("seeds") == 10  # in each block
    assert "\n\n─" not in narrow
    assert "For fewer columns, choose some" in narrow and "--columns" not in render(AWKWARD, "terminal", width=40)


def test_a_baseline_stands_only_next_to_the_columns_that_it_has():
    words = "a long name of many words"
    rows = [(words, "1.0" * 5, "2.0" * 5), ("(most frequent)", "", "0.1")]
    content = replace(AWKWARD, header=("variant", "error", "accuracy"), parts={"s": rows})
    first, second = render(content, "terminal", width=36).split("error")[1].split("accuracy")
    assert "(most frequent)" not in first.replace("\n  ", " ") and "(most" in second and "2.0" in second
    assert first.count("words") == 1


def test_a_config_value_is_no_markup_no_link_and_no_control_character(tmp_path):
    for place, variant in enumerate(("[x](http://a.b) *b* www.a.b", "<a href='x'>y</a>", "red \x1b[31m\n|line")):
        write(tmp_path / str(place), override(Config(), {"variant": variant}), x=1.0)
    content = table(grouped(tmp_path, Experiment(claim="c\nd", base=Config(), columns=(Column("x", "x"),))))
    texts = {form: render(content, form) for form in ("terminal", "markdown", "latex", "html")}
    assert not any("\x1b" in text for text in texts.values())
    assert "red \\x1b[31m\\n|line   " in texts["terminal"] and ": c d\n" in texts["terminal"]
    assert r"\[x\](http\://a.b) \*b\* www\.a.b" in texts["markdown"] and r"\<a href='x'\>" in texts["markdown"]
    assert "<a" not in texts["html"] and "&lt;a href" in texts["html"]


def test_markdown_keeps_the_columns_apart():
    lines = render(AWKWARD, "markdown").splitlines()
    cells = [line.replace("\\|", "").count("|") for line in lines if line.startswith("|")]
    assert cells == [3] * 4
    barred = render(replace(AWKWARD, header=("a|b", "error (%)")), "markdown")
    assert r"| a\|b" in barred
    assert "rnn\\_a" in render(AWKWARD, "markdown")


def test_latex_has_escapes_rules_and_mathematics():
    rendered = render(AWKWARD, "latex")
    assert r"$3.1\times 10^{-7}$" in rendered and r"1.10 [1.0, 1.2]$\times 10^{7}$" in rendered
    assert r"set\_1: 50\% \& $<$more$>$" in rendered and r"\textbackslash{} \{z\}" in rendered
    assert rendered.isascii()
    assert rendered.count(r"\begin{tabular}") == rendered.count(r"\end{tabular}") == rendered.count(r"\toprule") == 1


def test_a_wide_table_is_shrunk_to_the_width_of_a_latex_page_and_a_narrow_one_left_alone():
    rendered = render(AWKWARD, "latex")
    assert rendered.startswith("% \\usepackage{booktabs,graphicx}\n")
    start = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%"
    inner = rendered[rendered.index(start) + len(start) :].strip()
    assert inner.startswith(r"\begin{tabular}") and "\\end{tabular}}\n" in inner


def test_caption_and_label_of_a_latex_table_are_the_users_and_escaped():
    content = replace(AWKWARD, caption="50% of h_t", label="tab:mine")
    rendered = render(content, "latex")
    assert r"\caption{50\% of h\_t. set\_1: 50\% \& $<$more$>$}" in rendered and r"\label{tab:mine}" in rendered
    several = render(replace(content, parts={f"{name}: x": [("a", "1")] for name in ("one", "two")}), "latex")
    for name in ("one", "two"):
        assert rf"\caption{{50\% of h\_t. {name}: x}}" in several and rf"\label{{tab:mine-{name}}}" in several


def test_a_latex_caption_has_whole_sentences_and_a_short_label_and_every_float_leads_to_the_notes():
    parts = {f"adding problem, {length} steps; 3 seeds": [("a", "1")] for length in (30, 60)}
    first, second = render(replace(AWKWARD, caption="MGU", parts=parts), "latex").split("\n\n")[1:]
    label = re.findall(r"\\label{(.*)-2}", second)[0]
    assert r"\caption{MGU. Adding problem, 30 steps; 3 seeds}" in first and rf"\label{{{label}-1}}" in first
    assert rf"\footnotesize Notes: see table~\ref{{{label}-2}}." in first
    assert first.count("footnotesize") == second.count("footnotesize") == 1 and "Notes: see" not in second


def compile_latex(folder: Path, *tables: str) -> str:
    """Return what pdflatex says of a document with tables, which must compile; nothing where there is no pdflatex."""
    if not LATEX:
        return ""
    body = "\n\\clearpage\n".join(tables)
    document = rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{body}\end{{document}}"
    (folder / "table.tex").write_text(document, encoding="utf-8")
    command = [LATEX, "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-1000:]
    return done.stdout


def compare_all(name: str) -> Comparison:
    """Return a run for each variant in each setting of an experiment, with a number for each of its columns."""
    experiment, trials = load(name), []
    metrics = {column.key.replace("*", "chance"): 10.0**-place for place, column in enumerate(experiment.columns)}
    result = {"status": "finished", "summary": metrics, "signatures": {"bleu": "tok:13a|case:mixed"}}
    for setting, variant in itertools.product(experiment.settings or ("",), experiment.variants or ("",)):
        config = experiment.config(setting, variant)
        trials.append({"run": None, "result": result, "task": config.task, **flatten(config)})
    return compare(name, experiment, pd.DataFrame(trials))


def test_the_latex_of_every_experiment_compiles_and_has_a_cell_per_column_and_nothing_unescaped(tmp_path):
    document = []
    for name in names():
        comparison = compare_all(name)
        content = table(comparison)
        assert content.claim == load(name).claim and len(comparison.keys) == 1
        document.append(render(content, "latex"))
        rows = [line for line in document[-1].splitlines() if line.endswith(r"\\")]
        assert len(rows) == sum(len(rows) + 1 for rows in content.parts.values())
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(content.header)}
        outside = re.sub(r"\$[^$]*\$|\\(label|ref|begin|end|usepackage|smallskip)(\{[^}]*\})*", "", document[-1])
        assert document[-1].isascii() and not re.search(r"(?<!\\)[#_^]", outside), name
    compile_latex(tmp_path, *document)


SPECIAL = "50% of α_1 & #2 ± 3 − 4 – 5 — ‖∂L/∂h‖ ≤ 1e-7 → ∞, {x} ^ ~ \\ $5 <Ü> | λ×Ω…"


@pytest.mark.skipif(not LATEX, reason="there is no pdflatex")
def test_latex_with_any_sign_sections_captions_and_marks_compiles_and_says_the_same(tmp_path):
    cells = [(SPECIAL, "3.1e-7 (n=1)", "1.10 [1.0, 1.2]e7"), ("a" * 99, "0 (3/3)", "b" * 99)]
    header = ("variant_α", "error (%)", "‖∂L/∂h‖")
    plain = replace(AWKWARD, name="a#b %α", claim=SPECIAL, header=header, parts={f"set_1: {SPECIAL}": cells})
    sections = {f"{name}: {SPECIAL}": cells for name in ("α 1", "α_1", "100%")}
    several = replace(plain, parts=sections, marks={(heading, 0, 1): "best" for heading in sections})
    named = replace(plain, caption=SPECIAL, label="tab:x_1", notes=(SPECIAL,))
    text = compile_latex(tmp_path, *(render(content, "latex") for content in (plain, several, named)))
    assert "Overfull" not in text
    labels = re.findall(r"newlabel{(tab:[^}]*)}", (tmp_path / "table.aux").read_text())
    assert labels[0] == "tab:a-b-α" and labels[-1] == "tab:x_1" and len({*labels}) == 5


def test_html_is_one_table_that_scrolls_on_its_own_with_a_group_of_rows_for_each_setting():
    rendered = render(replace(AWKWARD, parts={**AWKWARD.parts, "set_2": [("x", "1")]}), "html")
    assert re.match(r'<div id="table-a_b" style="[^"]*overflow-x:auto', rendered)
    assert rendered.count("<table") == rendered.count("</table>") == 1
    groups = re.findall(r'class="gt_group_heading" .*>(.*)</th>', rendered)
    assert groups == ["set_1: 50% &amp; &lt;more&gt;", "set_2"]
    assert re.findall(r'class="gt_from_md">([^<]+)<', rendered) == [*AWKWARD.notes]


def test_html_is_well_formed_and_escaped():
    rendered = render(AWKWARD, "html")
    opened: list[str] = []
    texts: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

        def handle_data(self, data):
            texts.append(data.strip())

    Reader().feed(rendered)
    assert opened == []
    assert {"rnn_a & |b| <c>", "set_1: 50% & <more>", AWKWARD.claim} <= set(texts)


BEST = replace(
    AWKWARD,
    header=("variant", "accuracy (%)"),
    parts={"s": [("a_b", "9 <10>"), ("c", "1.0"), ("d", "1.1")]},
    marks={("s", 0, 1): "best", ("s", 1, 1): "tie"},
)


def test_the_best_is_bold_and_a_tie_marked_in_every_format():
    assert "9 <10> *\n" in render(BEST, "terminal") and "1.0 =\n" in render(BEST, "terminal")
    assert r"**9 \<10\>**" in render(BEST, "markdown") and "1.0 = |" in render(BEST, "markdown")
    assert r"\textbf{9 \ensuremath{<}10\ensuremath{>}}" in render(BEST, "latex") and "1.0 =" in render(BEST, "latex")
    bold = re.findall(r'<td style="font-weight: bold;".*>(.*)</td>', render(BEST, "html"))
    assert bold == ["9 &lt;10&gt;"] and ">1.0 =</td>" in render(BEST, "html")
    assert all("1.1 =" not in render(BEST, form) and "1.1 *" not in render(BEST, form) for form in get_args(Format))


def test_csv_is_the_numbers_of_the_table(gradient_table):
    lines = render(gradient_table, "csv").splitlines()
    assert lines[0].startswith("setting,task,variant,trials,") and lines[0].endswith(",runs")
    assert len(lines) == 1 + len(gradient_table.numbers) == 1 + 7 * 8
