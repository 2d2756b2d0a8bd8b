"""The table of verdicts as text: for a terminal, Markdown."""

import math
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tabulate import tabulate

from research.config.claim import FOLDER, SOURCES, Claim
from research.errors import UserError
from research.reporting.verdicts import CANNOT, Verdict, describe_bound, describe_rows, title
from research.tracking.strict_json import is_number

Format = Literal["terminal", "markdown"]
HEADER = ("claim", "published", "ours", "n", "verdict")
WIDTHS = [34, 34, 44, None, 18]
"""Letters of a line of each column in a terminal."""
TITLE = "# Published claims"
COMMAND = "research verdicts --run --format=markdown --output=docs/verdicts.md"
INTRODUCTION = (
    "After this page you know which published results hold at the scale of this project, and how that was decided."
)
METHOD = (
    "Each claim is one file in `experiments/claims/`: the statement, the published numbers, the trials, and the "
    "conditions that decide. A condition is a difference between rows, paired by seed, and a bound. The claim "
    "holds if the 95% interval of its mean over the seeds is on the claimed side of the bound for every condition. "
    "It fails if the interval of one is on the other side. Otherwise, and with fewer than five seeds, it is "
    "undecided. Test data decide, and options are tuned on validation data, where there are such data: memorized "
    "labels have no others, and gradients are those of the first update. The interval has the sampling error of the "
    "test examples, unless the verdict says otherwise. A seed with a trial that diverged is left out, unless the "
    "condition has a value for it, and such trials are counted next to the verdict. All trials are far smaller "
    "than those of the papers: a claim that fails here has failed at this scale."
)
STATISTICS = "[Statistics](statistics.md) says how intervals are made."
WORDS = ("holds", "fails", "undecided", "not run", CANNOT)
COUNTED = "evaluation, without compiling the updates"
"""What the time of trials is with."""
CONDITIONS = ("metric", "condition", "mean over seeds", "claimed", "verdict")
MEANS = ("row", "metric", "mean over seeds", "n")


@dataclass(frozen=True)
class Kept:
    """A verdict of the Markdown page that stays as it is."""

    name: str
    claim: Claim
    row: str
    """Its line of the table."""
    section: str
    """Its section, with the heading."""

    def __str__(self) -> str:
        """Return the last cell of the row."""
        return self.row.split(" | ")[-1].removesuffix(" |")

    @property
    def seconds(self) -> float:
        """Time of its trials, as the section says it; NaN: there are trials, and it does not."""
        found = re.search(r"The\strials\stook\s(\d+)\s(minute|second)", self.section)
        unknown = 0.0 if _word(self) in ("not run", CANNOT) else math.nan
        return int(found[1]) * {"minute": 60, "second": 1}[found[2]] if found else unknown


def render(verdicts: Sequence[Verdict], form: Format) -> str:
    """Return the verdicts as text that ends in a newline."""
    return {"terminal": _terminal, "markdown": _markdown}[form](verdicts)


def update(page: str, verdicts: Sequence[Verdict], claims: Mapping[str, Claim]) -> str:
    """Return the Markdown page with other verdicts on some claims; those on other claims stay as they are.

    Args:
        page: that `render` has written.
        verdicts: that are new.
        claims: all there are, by name. Verdicts on others go.

    Raises:
        UserError: if it is no page of verdicts, or not all of one.
    """
    heads = {text.partition("\n")[0]: f"## {text.strip()}" for text in page.split("\n## ")[1:]}
    rows = {match[1]: match[0] for match in re.finditer(r"^\| \[.*\]\(#(\w+)\) \|.*$", page, re.MULTILINE)}
    if not page.startswith(f"{TITLE}\n") or not rows:
        raise UserError("no page of verdicts")
    for name in sorted(heads.keys() | rows.keys()):
        if name not in rows or not re.search(r"\n```sh\n.*\n```$", heads.get(name, ""), re.DOTALL):
            missing = "whole section" if name in rows else "row in the table"
            raise UserError(f"{name}: has no {missing}; write the page anew, without --update")
    known: dict[str, Verdict | Kept] = {
        name: Kept(name, claim, rows[name], heads[name]) for name, claim in claims.items() if name in rows
    }
    known |= {verdict.name: verdict for verdict in verdicts}
    return _markdown([known[name] for name in claims if name in known])


def count(verdicts: Sequence[Verdict | Kept]) -> str:
    """Return how many claims there are of each verdict, and how long their trials took, unless one does not say it."""
    seconds = sum({verdict.claim.runs_of or verdict.name: verdict.seconds for verdict in verdicts}.values())
    counted = [verdict for verdict in verdicts if not verdict.claim.follows] or verdicts
    follow_ups = len(verdicts) - len(counted)
    words = Counter(map(_word, counted))
    several = {"holds": "hold", "fails": "fail", "undecided": "are undecided", "not run": "are not run", CANNOT: CANNOT}
    one = {"undecided": "is undecided", "not run": "is not run"}
    parts = [
        f"{words[word]} {text if words[word] > 1 else one.get(word, word)}"
        for word, text in several.items()
        if words[word]
    ]
    claims = f"{len(counted)} claim" + "s" * (len(counted) != 1)
    others = f"; {follow_ups} more look{'s' * (follow_ups == 1)} for causes" if follow_ups else ""
    trials = "their trials (shared ones once)"
    took = f"; {trials} took {_duration(seconds)} with tuning" if seconds > 0 else ""  # not NaN
    return f"{claims}: {', '.join(parts)}{others}{took}"


def _word(verdict: Verdict | Kept) -> str:
    """Return the word that the verdict starts with."""
    found = next((word for word in WORDS if str(verdict).startswith(word)), None)
    if found is None:
        raise UserError(f"{verdict.name}: verdict {str(verdict)!r}: must start with one of {', '.join(WORDS)}")
    return found


def _duration(seconds: float) -> str:
    number, unit = (round(seconds / 60), "minute") if seconds >= 60 else (round(seconds), "second")
    return f"{number} {unit}{'s' * (number != 1)}"


def _terminal(verdicts: Sequence[Verdict]) -> str:
    rows = [row(verdict, "\n") for verdict in verdicts]
    table = tabulate(rows, headers=HEADER, tablefmt="grid", maxcolwidths=WIDTHS, disable_numparse=True)
    return f"{table}\n{count(verdicts)}\n"


def row(verdict: Verdict, line: str) -> tuple[str, ...]:
    """Return the cells of a claim in the table, in lines that end in `line`."""
    claim = verdict.claim
    published = f"{claim.published} {claim.paper}, {claim.place} ({SOURCES[claim.sure]})"
    ours = line.join(_ours(verdict)) if verdict.word != "not run" else "—"
    return f"{verdict.name}: {claim.claim}", published, ours, str(verdict.count), str(verdict)


def _ours(verdict: Verdict) -> Iterator[str]:
    for outcome in verdict.outcomes:
        condition = outcome.condition
        bound = f"{describe_bound(condition)}: {outcome.word}"
        yield f"{title(condition.metric)}, {describe_rows(condition)}: {outcome.text}, claimed {bound}"


def _markdown(verdicts: Sequence[Verdict | Kept]) -> str:
    blocks = [
        TITLE,
        INTRODUCTION,
        f"```sh\n{COMMAND}\n```",
        _wrap(f"{METHOD} {STATISTICS}"),
        f"{count(verdicts)}.",
    ]
    blocks.append("\n".join([_grid([], HEADER), *map(_row, verdicts)]))
    return "\n\n".join([*blocks, *(_section(verdict, verdicts) for verdict in verdicts)]) + "\n"


def _row(verdict: Verdict | Kept) -> str:
    if isinstance(verdict, Kept):
        return verdict.row
    _, published, ours, *rest = map(_escape, row(verdict, "<br>"))
    link = f"[{_escape(verdict.claim.claim)}](#{verdict.name})"
    return _line((link, published, ours.replace(r"\<br\>", "<br>"), *rest))


def facts(
    verdict: Verdict,
    others: Sequence[Verdict | Kept],
    text: Callable[[str], str] = str,
    link: Callable[[str], str] = str,
) -> dict[str, str]:
    """Return what there is to say of a claim besides its numbers, by title.

    Args:
        verdict: on the claim.
        others: all verdicts, among which are those that look into the claim.
        text: writes words of a claim.
        link: writes the name of a claim.
    """
    claim = verdict.claim
    tuning = "tuning and " * bool(claim.tune)
    took = f" The trials took {_duration(verdict.seconds)}, with {tuning}{COUNTED}." * (verdict.seconds > 0)
    looked_into = _looked_into(verdict.name, others, text, link)
    untried = (
        "Nothing yet; the cause is not known." if verdict.word == "fails" and not (looked_into or claim.follows) else ""
    )
    found = {
        "Published": f"{text(claim.published)} {claim.paper}, {claim.place}; {SOURCES[claim.sure]}.",
        "Scaled": f"{text(claim.scaled)} {_budget(verdict)}",
        "Tuned": _tuned(verdict, text),
        "Verdict": f"{verdict}.{took}",
        "Tried": text(claim.tried) or untried,
        "Looks into": link(claim.follows) if claim.follows else "",
        "Looked into": looked_into,
    }
    return {name: words for name, words in found.items() if words}


def _looked_into(
    name: str, others: Sequence[Verdict | Kept], text: Callable[[str], str], link: Callable[[str], str]
) -> str:
    found = [other for other in others if other.claim.follows == name]
    return " ".join(f"{text(other.claim.claim)} {link(other.name)}: {other}." for other in found)


def conditions(verdict: Verdict) -> list[tuple[str, ...]]:
    """Return the cells of each condition, under `CONDITIONS`."""
    return [
        (
            title(item.condition.metric),
            describe_rows(item.condition),
            item.text,
            describe_bound(item.condition),
            item.word,
        )
        for item in verdict.outcomes
    ]


def _section(verdict: Verdict | Kept, others: Sequence[Verdict | Kept]) -> str:
    if isinstance(verdict, Kept):
        fresh = _item("Looked into", _looked_into(verdict.name, others, _escape, _link))
        return re.sub(r"- \*\*Looked into\*\*: .*?(?=\n\n|\n- )", lambda _: fresh, verdict.section, flags=re.DOTALL)
    known = facts(verdict, others, _escape, _link)
    rows = [tuple(map(_escape, cells)) for cells in conditions(verdict)]
    lines = [
        f"## {verdict.name}",
        _wrap(_escape(verdict.claim.claim)),
        "\n".join(map(_item, known, known.values())),
        _grid(rows, CONDITIONS),
    ]
    means = [(mean.row, title(mean.metric), mean.text, str(mean.estimate.count)) for mean in verdict.means]
    if verdict.word != "not run":
        lines.append(_grid([tuple(map(_escape, cells)) for cells in means], MEANS))
    folder = verdict.claim.runs_of or verdict.name
    lines.append(f"```sh\nresearch verdicts {verdict.name} --run\nresearch report runs/{FOLDER}/{folder}\n```")
    return "\n\n".join(lines)


def _budget(verdict: Verdict) -> str:
    """Return the budget of a claim's trials, and what is tuned."""
    claim = verdict.claim
    configs = [claim.config(setting, variant) for setting in claim.settings or [""] for variant in claim.variants]
    models = [config.model for config in configs]
    units = _listed(model.hidden_size for model in models if not model.parameter_budget)
    weights = _listed(f"{model.parameter_budget:,}" for model in models if model.parameter_budget)
    parts = [
        f"{_listed(f'{config.training.steps:,}' for config in configs)} updates of "
        f"{_listed(config.training.batch_size for config in configs)} sequences",
        *[f"{units} hidden unit{'s' * (units != '1')}"] * bool(units),
        *[f"{weights} parameters"] * bool(weights),
        f"{claim.seeds} seeds",
    ]
    tuned = [f"`{key}` of {', '.join(map(str, listed))}, chosen for each row" for key, listed in claim.tune.items()]
    return "; ".join([*parts, *tuned]) + "."


def _tuned(verdict: Verdict, text: Callable[[str], str]) -> str:
    """Return which values were chosen for which rows, and which of them are at the edge of their grid."""
    found = []
    for key, grid in verdict.claim.tune.items():
        rows = {value: [trial.row for trial in verdict.trials if trial.tuned.get(key) == value] for value in grid}
        ends = (min(grid), max(grid)) if all(map(is_number, grid)) else ()
        parts = [
            f"{value}{' (the edge of the grid)' * (value in ends)} for {', '.join(map(text, dict.fromkeys(listed)))}"
            for value, listed in rows.items()
            if listed
        ]
        found += [f"`{key}` of {'; '.join(parts)}."] * bool(parts)
    return " ".join(found)


def _listed(values: Iterable[object]) -> str:
    """Return different values in their order."""
    return " or ".join(dict.fromkeys(map(str, values)))


def _grid(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    return "\n".join(map(_line, [header, [":---"] * len(header), *rows]))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _item(name: str, text: str) -> str:
    return _wrap(f"- **{name}**: {text}", "  ")


def _link(name: str) -> str:
    return f"[{_escape(name)}](#{name})"


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _escape(plain: str) -> str:
    """Escape what would be markup."""
    return re.sub(r"([\\|<>*_\[\]~])", r"\\\1", plain)
