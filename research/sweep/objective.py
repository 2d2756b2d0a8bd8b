"""What a sweep optimizes, and when it stops trials early: `metric` and `early_terminate` of a sweep file."""

from dataclasses import dataclass
from typing import Any

from research.sweep.place import Place

GOALS = ("minimize", "maximize")
IMPUTE = {"impute": ("latest", "best", "worst"), "impute_while_running": ("latest", "best", "worst", "false")}
"""Keys of `metric` for runs without a value, which W&B's Gaussian process reads alone."""


@dataclass(frozen=True)
class Metric:
    """A metric of the runs, and which values of it are good."""

    name: str
    goal: str = "minimize"
    """minimize or maximize"""
    target: float | None = None
    """The sweep ends once a trial reaches it."""


@dataclass(frozen=True)
class Hyperband:
    """W&B's early termination: at each band, trials outside the best 1/eta stop.

    With `max_iter` the bands are max_iter/eta, max_iter/eta^2, ..., `s` of them; otherwise min_iter, min_iter*eta, ...
    An iteration is one recorded value of the metric.
    """

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3.0
    strict: bool = True
    """Compare the value at the band, not the best value so far."""


def read_metric(content: dict[str, Any], place: Place) -> Metric | None:
    """Return the `metric` of a sweep file, None if it has none."""
    if "metric" not in content:
        return None
    entry, place = content["metric"], place / "metric"
    place.require_mapping(entry, ("name", "goal", "target", *IMPUTE))
    if "name" not in entry:
        raise (place / "name").error("must be set")
    name, goal = entry["name"], entry.get("goal", "minimize")
    (place / "name").require(isinstance(name, str) and bool(name), name, "a metric, such as validation/loss")
    (place / "goal").require(goal in GOALS, goal, f"one of {', '.join(GOALS)}")
    if "target" in entry:
        (place / "target").require_number(entry["target"])
    for key, known in IMPUTE.items():
        value = entry.get(key, known[-1])
        (place / key).require(value in known, value, f"one of {', '.join(known)}")
        if value != known[-1] and content.get("method") == "bayes":
            raise (place / key).error(f"must be {known[-1]} or absent; only `wandb sweep` has others")
    return Metric(name, goal, entry.get("target"))


def read_early_terminate(content: dict[str, Any], place: Place) -> Hyperband | None:
    """Return the `early_terminate` of a sweep file, None if it has none."""
    if "early_terminate" not in content:
        return None
    entry, place = content["early_terminate"], place / "early_terminate"
    place.require_mapping(entry, ("type", "min_iter", "max_iter", "s", "eta", "strict"))
    (place / "type").require(entry.get("type") == "hyperband", entry.get("type"), "hyperband")
    for key in ("min_iter", "max_iter"):
        if key in entry:
            (place / key).require_whole(entry[key], 1)
    eta, strict = entry.get("eta", Hyperband.eta), entry.get("strict", Hyperband.strict)
    (place / "eta").require_number(eta)
    (place / "eta").require(eta > 1, eta, "greater than 1, such as 3")
    (place / "strict").require(isinstance(strict, bool), strict, "true or false")
    if "min_iter" not in entry and "max_iter" not in entry:
        raise place.error("must hold min_iter, or max_iter and s")
    if "max_iter" in entry:
        if "s" not in entry:
            raise (place / "max_iter").error("needs s, the number of bands")
        (place / "s").require_whole(entry["s"], 1)
        most = entry["max_iter"]
        (place / "max_iter").require(most >= eta, most, f"at least eta={eta}, as the bands are max_iter/eta and lower")
    elif "s" in entry:  # without max_iter it does nothing
        (place / "s").require_number(entry["s"])
    if "metric" not in content:
        raise place.error("needs metric")
    keys = ("min_iter", "max_iter", "s") if "max_iter" in entry else ("min_iter",)
    whole = {key: int(entry[key]) for key in keys if key in entry}
    return Hyperband(**whole, eta=float(eta), strict=strict)
