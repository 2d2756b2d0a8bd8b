"""Claims: published results, the trials that test them, and the conditions that decide whether they hold.

A claim is a Python file in `experiments/claims/` that sets `EXPERIMENT` to a `Claim`. It is an experiment named
`claims/NAME`, so `research train` and sweeps take it too. `research verdicts` trains its seeds and judges it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from research.config import experiment as experiments
from research.config.experiment import Experiment
from research.errors import UserError, nearest, shorten

FOLDER = "claims"
Sure = Literal["paper", "cited", "memory"]
SOURCES: Mapping[Sure, str] = {
    "paper": "from the paper",
    "cited": "as cited by others",
    "memory": "from memory, to be checked",
}
"""Where a published number was read, as the table says it."""


@dataclass(frozen=True)
class Slope:
    """Slope of an error by input length or target position: least squares over a trial's test examples."""

    by: Literal["length", "position"]
    column: str
    """Column of the table `by_length` or `by_position` of `result.json`, such as free_running_error_rate."""
    minus: str = ""
    """Column to subtract from it."""

    def __str__(self) -> str:
        column = self.column.replace("_", " ")
        minus = f" − {self.minus.replace('_', ' ')}" if self.minus else ""
        return f"slope of {column}{minus} by {self.by}"


@dataclass(frozen=True)
class Condition:
    """A bound that a weighted sum of rows keeps, if the claim holds: {"none": 1, "additive": -1} above 0.

    The sum is computed for each seed, so rows are compared on the same initial weights, data and order. The interval
    of its mean over the seeds decides: on the side of the bound that is claimed, on the other one, or on both.
    """

    metric: str | Slope
    """Key of the summary in `result.json`, of test data; a `*` stands for any text."""
    rows: Mapping[str, float]
    """Weight of each row: a variant, or SETTING/VARIANT."""
    above: float | None = None
    below: float | None = None
    diverged: float | None = None
    """Value that stands for a trial that diverged; None: its seed is left out."""

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise UserError(f"condition on {self.metric}: must have one bound, above or below")


@dataclass(frozen=True, kw_only=True)
class Claim(Experiment):
    """A published result; `claim` is the statement."""

    paper: str
    """Authors and year."""
    place: str
    """Table, figure or section of the paper."""
    published: str
    """Numbers of the paper."""
    sure: Sure
    """Where these numbers were read."""
    scaled: str
    """How the trials differ from those of the paper."""
    conditions: tuple[Condition, ...]
    """All must be met."""
    seeds: int = 5
    """Number of seeds of each row."""
    tuned_by: str = ""
    """Metric of validation data, the less the better, that chooses the options of `tune`."""
    runs_of: str = ""
    """Claim whose trials decide this one, too; empty: it has trials of its own."""
    tried: str = ""
    """What was tried where it fails."""
    follows: str = ""
    """Claim that fails and whose cause this one looks for, with other trials. It is not counted as a claim."""

    def __post_init__(self) -> None:
        known = [*self.rows()]
        for condition in self.conditions:
            for row in condition.rows:
                if row not in known:
                    raise UserError(f"row {row}: must be one of {', '.join(known)}")
        if bool(self.tune) != bool(self.tuned_by):
            raise UserError("tuned_by: must be given exactly if tune is")
        if self.follows and self.follows not in names():
            raise UserError(f"follows={self.follows!r}: no such claim{nearest(self.follows, names())}")

    def rows(self) -> Iterator[str]:
        """Yield the name of each row: a variant, or SETTING/VARIANT."""
        for setting in self.settings or [""]:
            for variant in self.variants:
                yield row_name(setting, variant)


def row_name(setting: str, variant: str) -> str:
    """Return the name of a row in conditions."""
    return f"{setting}/{variant}" if setting else variant


def names() -> tuple[str, ...]:
    """Return the names of the claims in `experiments/claims/`."""
    paths = sorted((experiments.ROOT / "experiments" / FOLDER).glob("*.py"))
    return tuple(path.stem for path in paths if path.stem != "__init__")


def load(name: str) -> Claim:
    """Return the claim of that name.

    Raises:
        UserError: if there is none, or its file is wrong.
    """
    if name not in names():
        raise UserError(f"claim {shorten(name)!r}: no such claim{nearest(name, names())}")
    try:
        declared = experiments.load(f"{FOLDER}/{name}")
    except UserError as error:
        raise UserError(f"claim {name}: {error}") from error
    if not isinstance(declared, Claim):
        raise UserError(f"claim {name!r}: must set EXPERIMENT to a Claim")
    return declared
