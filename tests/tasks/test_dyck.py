from collections import Counter

import numpy as np
import pytest

from research.batch import FIRST_SYMBOL
from research.tasks import Dyck
from tests.tasks.synthetic_examples import SMALL, counts, evaluate, examples

OPTIONS = SMALL["dyck"]
KINDS, DEPTH = 2, 3


def stacks(symbols: np.ndarray) -> list[list[int]]:
    """Return what is open before the first bracket and after each, the last to open at the end."""
    found: list[list[int]] = [[]]
    for symbol in symbols - FIRST_SYMBOL:
        open_now = list(found[-1])
        if symbol < KINDS:
            open_now.append(symbol + 1)
        else:
            assert open_now.pop() == symbol - KINDS + 1
        found.append(open_now)
    return found


def test_brackets_are_well_nested_and_the_label_is_the_one_that_may_close():
    batch = examples(OPTIONS)
    for symbols, labels in zip(batch.inputs, batch.targets, strict=True):
        found = stacks(symbols)[1:]
        assert max(map(len, found)) <= DEPTH
        assert labels.tolist() == [one[-1] if one else 0 for one in found]
    assert np.all(counts(batch) == 12)


def test_brackets_follow_as_the_automaton_of_the_paper_draws_them():
    opened, kinds = Counter(), Counter()
    for symbols in examples(OPTIONS).inputs:
        for before, symbol in zip(stacks(symbols), symbols - FIRST_SYMBOL, strict=False):
            opened[len(before), bool(symbol < KINDS)] += 1
            kinds[int(symbol)] += symbol < KINDS
    for depth, chance in ((0, 1.0), (1, 0.5), (2, 0.5), (DEPTH, 0.0)):
        total = opened[depth, True] + opened[depth, False]
        assert total > 4000
        assert opened[depth, True] / total == pytest.approx(chance, abs=0.02)
    assert kinds[0] / (kinds[0] + kinds[1]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("depth", [1, 2])
def test_little_depth_is_kept(depth):
    batch = examples(Dyck(length=9, depth=depth))
    assert max(len(one) for symbols in batch.inputs for one in stacks(symbols)) == depth


def test_the_baseline_sees_the_last_bracket_only():
    batch = examples(OPTIONS)
    seen: dict[int, Counter] = {}
    for symbol, label in zip(batch.inputs.ravel() >= FIRST_SYMBOL + KINDS, batch.targets.ravel(), strict=True):
        seen.setdefault(bool(symbol), Counter())[int(label)] += 1
    closing = np.array(list(seen[True].values()))
    share = np.sum(closing) / batch.inputs.size
    errors = np.zeros(batch.inputs.shape)
    errors[batch.inputs >= FIRST_SYMBOL + KINDS] = 1
    metrics = evaluate(OPTIONS, errors).metrics
    chances = closing / np.sum(closing)
    assert metrics["baseline/memoryless/accuracy"] == pytest.approx(1 - share + share * np.max(chances))
    assert metrics["baseline/memoryless/loss"] == pytest.approx(-share * np.sum(chances * np.log(chances)))
    assert metrics["baseline/memoryless/accuracy_after_closing"] == pytest.approx(np.max(chances))
    assert metrics["accuracy_after_closing"] == 0
    assert metrics["accuracy"] == pytest.approx(1 - share)
