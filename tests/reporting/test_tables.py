"""One table, four formats, and nothing swept under it."""

import itertools
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from research.config.config import Config
from research.config.experiment import Column, Experiment, load, names
from research.config.flat import override
from research.options import flatten
from research.reporting.comparison import Comparison, compare
from research.reporting.formats import render
from research.reporting.tables import Table, table
from research.tracking.run_directory import RunDirectory
from tests.reporting.conftest import H, compared, grouped, write

AWKWARD = Table(
    name="a_b",
    claim="50% of <x> & |y|_1 \\ {z}",
    header=("variant", "error (%)"),
    parts={"set_1: 50% & <more>": [("rnn_a & |b| <c>", "3.1e-7 ×/÷ 1.04"), ("100%", "(1.10 ± 0.25)e7")]},
    notes=("—: not measured_here.",),
)


@pytest.fixture
def gradient_table(gradient_runs):
    return table(compared(gradient_runs))


def row(content: Table, setting: str, variant: str) -> dict[str, str]:
    (rows,) = [rows for heading, rows in content.parts.items() if heading.startswith(setting)]
    (cells,) = [row for row in rows if row[0] == variant]
    return dict(zip(content.header, cells, strict=True))


def test_underflow_and_overflow_stand_in_the_table(gradient_table):
    assert row(gradient_table, "mnist_196", "rnn gain 0.9")["first / last"] == "0 (3/3)"
    exploding = row(gradient_table, "mnist_196", "rnn gain 1.2")
    assert (exploding["first / last"], exploding["half-life (steps)"]) == ("inf (3/3)", "inf (3/3)")
    assert exploding["overflow (%)"] != "0"
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


def test_notes_are_only_about_what_is_there(tmp_path):
    for seed in (0, 1):
        write(tmp_path / str(seed), override(Config(), {"seed": seed}), x=0.5 + seed)
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))))
    assert content.notes == (
        "Mean (each seed): fewer than 5 seeds have no interval.",
        "Tuning: all runs are in the table, none is chosen by its result; learning rate 0.001.",
    )


def test_an_early_stop_and_weights_that_are_not_the_last_are_noted(tmp_path):
    for seed, stop in enumerate((30, 50, None)):
        best = {"kept": "best", "step": 20, "metric": "validation/loss", "value": 0.5}
        result = {"weights": best, "stopped_early": {"step": stop}} if stop else {"weights": {"kept": "last"}}
        run = RunDirectory.create(tmp_path / str(seed), override(Config(), {"seed": seed}))
        run.finish({"status": "finished", "summary": {"x": 0.5 + seed}, **result})
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))))
    assert content.notes[-2:] == (
        "Scored with the weights that have the best validation/loss in 2 of 3 trials.",
        "Stopped early: 2 of 3 trials, after 30 to 50 updates.",
    )


def test_a_trial_that_the_sweep_has_stopped_is_counted_and_not_averaged(tmp_path):
    for seed in range(3):
        run = RunDirectory.create(tmp_path / str(seed), override(Config(), {"seed": seed}))
        stop = {"stopped_early": {"step": 30}} if seed == 2 else {}
        run.finish({"status": "stopped" if stop else "finished", "summary": {"x": 100.0 if stop else 0.5}, **stop})
    comparison = grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),)))
    content = table(comparison)
    assert [rows[0][-2:] for rows in content.parts.values()] == [("2 of 3 (1 stopped)", "0.500")]
    assert content.notes[-1] == "Stopped early by the sweep, and not counted: 1 of 3 trials, after 30 updates."
    numbers = content.numbers.iloc[0]
    assert tuple(numbers[["trials", "finished", "diverged", "stopped", "value", "n"]]) == (3, 2, 0, 1, 0.5, 2)


@pytest.mark.parametrize(
    ("difference", "noted"), [(0.0, True), (1e-16, False)], ids=["bit for bit", "in the last digit"]
)
def test_rows_of_the_same_results_are_named(tmp_path, difference, noted):
    for cell, gain, seed in itertools.product(("gru", "mingru"), (0.9, 1.1), (0, 1)):
        loss = 0.1 + seed + (gain if cell == "gru" else difference * gain)
        options = {"cell.name": cell, "init.gain": gain, "seed": seed}
        write(
            tmp_path / f"{cell}{gain}{seed}", override(Config(), options), **{"train/loss": loss, "test/accuracy": 1.0}
        )
    notes = table(grouped(tmp_path, Experiment(claim="c", base=Config()))).notes
    line = "Bit for bit the same results, so what they differ in does nothing: mingru, gain 0.9 = mingru, gain 1.1."
    assert (line in notes) == noted


def test_signatures_are_noted_with_the_settings_that_have_them(tmp_path):
    result = {"status": "finished", "summary": {"x": 1.0}}
    for seed, (setting, tokens) in enumerate((("de", "13a"), ("fr", "13a"), ("ja", "char"))):
        run = RunDirectory.create(tmp_path / setting, Config(setting=setting, seed=seed))
        run.finish({**result, "signatures": {"bleu": f"tok:{tokens}"}})
    declared = Experiment(
        claim="c", base=Config(), columns=(Column("x", "x"),), settings={"de": {}, "fr": {}, "ja": {}}
    )
    assert table(grouped(tmp_path, declared)).notes[-2:] == ("bleu (de, fr): tok:13a", "bleu (ja): tok:char")


def test_a_row_of_unfinished_trials_is_a_row(tmp_path):
    RunDirectory.create(tmp_path / "0", Config())
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))))
    assert list(content.parts.values()) == [[("base", "0 of 1", "—")]]


def test_the_numbers_have_what_the_table_shows_unrounded_and_the_runs_that_it_is_from(gradient_runs):
    numbers = table(compared(gradient_runs)).numbers.set_index(["setting", "variant", "metric"])
    accuracy = numbers.loc[("mnist_196", "lstm bias 1", "test/accuracy")]
    np.testing.assert_allclose(accuracy[["value", "low", "high", "n"]].astype(float), [0.91, 0.9, 0.92, 3])
    assert (accuracy["ends"], accuracy["examples"]) == ("seeds", 1000)
    assert accuracy["runs"].split(";") == [f"mnist_196-lstm bias 1-{seed}" for seed in range(3)]
    half_life = f"gradient/initial/{H}/half_life"
    assert numbers.loc[("mnist_196", "rnn gain 1.2", half_life), "value"] == np.inf
    assert numbers.loc[("mnist_196", "rnn gain 0.9", f"gradient/initial/{H}/first_last_ratio"), "value"] == 0
    mixed = numbers.loc[("mnist_196", "gru chrono", half_life)]
    assert mixed["n"] == 1 and np.isfinite(mixed["value"])
    unfinished = numbers.loc[("adding_200", "gru chrono", "test/accuracy")]
    assert list(unfinished[["trials", "finished", "diverged", "n"]]) == [3, 2, 0, 2]
    assert len(unfinished["runs"].split(";")) == 2
    assert np.isnan(numbers.xs("gradient/final/*first_last_ratio", level=2)["value"].astype(float)).all()


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
        *(f"a long title, number {number}{' of two lines' * (number == 3)}" for number in range(8)),
    )
    cells = [["1.0" if number % 2 == odd else "—" for number in range(8)] for odd in range(2)]
    content = replace(AWKWARD, header=header, parts={name: [("a", "1", *cells[odd])] for odd, name in enumerate("st")})
    narrow = render(content, "terminal", width=40)
    titles = [re.findall(r"number (\d)", part) for part in narrow.split("\nt\n")]
    assert titles == [["0", "2", "4", "6"], ["1", "3", "5", "7"]]
    assert "\n\n─" not in narrow
    assert "For fewer columns, choose some" in narrow and "--columns" not in render(AWKWARD, "terminal", width=40)


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
    assert "rnn\\_a" in render(AWKWARD, "markdown")


def test_latex_has_escapes_rules_and_mathematics():
    rendered = render(AWKWARD, "latex")
    assert r"$3.1\times 10^{-7}$" in rendered and r"(1.10 $\pm$ 0.25)$\times 10^{7}$" in rendered
    assert r"set\_1: 50\% \& $<$more$>$" in rendered and r"\textbackslash{} \{z\}" in rendered
    assert rendered.isascii()
    assert rendered.count(r"\begin{tabular}") == rendered.count(r"\end{tabular}") == rendered.count(r"\toprule") == 1


def test_a_wide_table_is_shrunk_to_the_width_of_a_latex_page_and_a_narrow_one_left_alone():
    rendered = render(AWKWARD, "latex")
    assert rendered.startswith("% \\usepackage{booktabs,adjustbox}\n")
    begin, end = r"\begin{adjustbox}{max width=\textwidth}", r"\end{adjustbox}"
    inner = rendered[rendered.index(begin) + len(begin) : rendered.index(end)].strip()
    assert inner.startswith(r"\begin{tabular}") and inner.endswith(r"\end{tabular}")


def test_caption_and_label_of_a_latex_table_are_the_users_and_escaped():
    content = replace(AWKWARD, caption="50% of h_t", label="tab:mine")
    rendered = render(content, "latex")
    assert r"\caption{50\% of h\_t. set\_1: 50\% \& $<$more$>$}" in rendered and r"\label{tab:mine}" in rendered
    several = render(replace(content, parts={f"{name}: x": [("a", "1")] for name in ("one", "two")}), "latex")
    for name in ("one", "two"):
        assert rf"\caption{{50\% of h\_t. {name}: x}}" in several and rf"\label{{tab:mine-{name}}}" in several


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
    document = [r"\documentclass{article}\usepackage{booktabs,adjustbox}\begin{document}"]
    for name in names():
        comparison = compare_all(name)
        content = table(comparison)
        assert content.claim == load(name).claim and len(comparison.keys) == 1
        document.append(render(content, "latex"))
        rows = [line for line in document[-1].splitlines() if line.endswith(r"\\")]
        assert len(rows) == sum(len(rows) + 1 for rows in content.parts.values())
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(content.header)}
        outside = re.sub(r"\$[^$]*\$|\\(label|begin|end|usepackage|smallskip)(\{[^}]*\})*", "", document[-1])
        assert document[-1].isascii() and not re.search(r"(?<!\\)[#_^]", outside), name
    if latex := shutil.which("pdflatex"):
        (tmp_path / "table.tex").write_text("\n\\clearpage\n".join([*document, r"\end{document}"]))
        command = [latex, "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-1000:]


def test_a_wide_html_table_scrolls_on_its_own():
    rendered = render(AWKWARD, "html")
    assert rendered.count('<div style="overflow-x:auto">\n<table>') == rendered.count("</table>\n</div>") == 1


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
