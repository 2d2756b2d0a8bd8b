"""The tables of README.md and docs/experiments.md are what the command that writes them would write."""

from benchmarks.result_tables import TABLE, parts, write_count, write_numbers, write_reports
from tests.pages import PAGES

README, EXPERIMENTS = PAGES["README.md"], PAGES["docs/experiments.md"]


def test_the_numbers_of_the_readme_are_those_of_the_experiments():
    assert len(TABLE.findall(README)) == 3
    assert write_numbers(README, EXPERIMENTS) == README
    other = write_numbers(README, EXPERIMENTS.replace("2.37 (2.35 2.38 2.38)", "2.36 (2.35 2.36 2.37)"))
    assert other == README.replace("2.37 (2.35 2.38 2.38)", "2.36 (2.35 2.36 2.37)") != README


def test_the_count_of_the_claims_is_that_of_the_verdicts():
    verdicts = PAGES["docs/verdicts.md"]
    assert write_count(README, verdicts) == README
    count = "3 claims: 2 hold, 1 fails; 7 more look for causes."
    other = " ".join(write_count(README, f"a\n\n{count}\n\nb\n").split())
    assert count in other and len(other) < len(" ".join(README.split()))


def test_the_tables_of_a_sweep_are_replaced_by_those_of_its_runs_and_others_stay(attention_runs):
    page = (
        "a\n\n<!-- report attention -->\n\nold\n\n<!-- end -->\n\nb\n\n<!-- report gain -->\n\nkept\n\n<!-- end -->\n"
    )
    runs = {"attention": attention_runs}
    written = write_reports(page, lambda sweep: parts(runs[sweep]) if sweep in runs else None)
    before, table, after = written.split("\n\n", 3)[:2], *written.split("\n\n")[2:4]
    assert before == ["a", "<!-- report attention -->"] and table.startswith("**cmudict, ")
    head, rule, *rows = after.splitlines()
    assert head.startswith("| attention | seeds | phoneme error (%) | ") and rule.startswith("|:---|---:|---:|")
    assert [row.split(" | ")[:2] for row in rows[:2]] == [["| none", "3"], ["| additive", "3"]]
    assert "kept" in written and "old" not in written
    assert "  " not in after.replace("|  |", "")


def test_numbers_are_found_by_section_column_and_row():
    source = "<!-- report x -->\n\n**a\\_1: long**\n\n| v | n (%) |\n|:---|---:|\n| r | 1 |\n| s | 2 |\n\n<!-- end -->"
    page = "<!-- numbers x/a_1 n (%) -->\n| row | share |\n|:---|---:|\n| s | old |\n"
    assert write_numbers(page, source) == page.replace("old", "2")
