"""How often two equally good models are told apart, because of the test examples: the table of docs/statistics.md.

    python -m benchmarks.example_sampling

Two models of the same accuracy over all possible examples are scored on the same 500 examples with 10 seeds each. Each
model finds some examples easier than others, whatever its seed, so that one of them is better on these 500 examples.
The model's seed makes it better or worse on all examples. Both are of the probit of the probability to be right.
"""

import math

import numpy as np
from scipy.special import ndtr
from tabulate import tabulate

from research.reporting.differences import ALPHA, sign_flip_p
from research.reporting.sampling import influence, sampling_error
from research.reporting.statistics import Array, estimate

DRAWS, SEEDS, EXAMPLES = 4000, 10, 500
OF_EXAMPLES = (0.0, 0.5, 1.0)
"""Standard deviation of an example's ease for a model, besides that for both models, which is 1."""
OF_SEEDS = (0.0, 0.2, 0.8)
"""Standard deviation of what a seed adds."""


def draw(rng: np.random.Generator, of_examples: float, of_seeds: float) -> Array:
    """Return whether each answer is right [2 models, seeds, examples]: 1 or 0."""
    ease = 1 + rng.normal(0, 1, EXAMPLES) + rng.normal(0, of_examples, (2, 1, EXAMPLES))
    probability = ndtr(ease + rng.normal(0, of_seeds, (2, SEEDS, 1)))
    return (rng.random(probability.shape) < probability).astype(np.float64)


def line(of_examples: float, of_seeds: float) -> list[str]:
    """Return the row of the table.

    It has two standard errors in percentage points, how often p is significant, and how often the interval contains 0.
    """
    rng, ones = np.random.default_rng(0), np.ones(EXAMPLES)
    variances, found = [], []
    for _ in range(DRAWS):
        right = draw(rng, of_examples, of_seeds)
        ours, others = (np.stack([influence(trial, ones) for trial in model]) for model in right)
        error = sampling_error([ours, -others])
        difference = right[0].mean(-1) - right[1].mean(-1)
        intervals = estimate(difference), estimate(difference, error=error)
        tests = [sign_flip_p(difference, known) < ALPHA for known in (math.nan, error)]
        covered = [known.low <= 0 <= known.high for known in intervals]
        variances.append((error**2, difference.var(ddof=1) / SEEDS))
        found.append([*tests, *covered])
    errors = [f"{100 * end:.1f}" for end in np.sqrt(np.mean(variances, axis=0))]
    return [*errors, *(f"{100 * fraction:.1f}" for fraction in np.mean(found, axis=0))]


def main() -> None:
    """Print the table."""
    what = ("p < 0.05: seeds", "and examples", "interval: seeds", "and examples")
    rows = [line(of_examples, of_seeds) for of_examples in OF_EXAMPLES for of_seeds in OF_SEEDS]
    print(tabulate(rows, ["error of the examples", "of the seeds", *what], "pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
