"""Connected digits to their names: synthesised ones to train on, unseen voices and a real one to be scored on.

Training hears 74 of espeak-ng's voices (`research/tasks/corpora/espeak.py`), which are computed from rules, and with
`task.flite_strings` four that were built from recordings of other people (`research/tasks/corpora/flite.py`). 20 voices
of espeak-ng are held out, and so are the strings of two digits or more that they say. Held out, too, are real digits,
from Asterisk's prompts: ten recordings of one woman, each alone, and 200 strings of two to seven of them, joined with
short pauses, none of which is a training string. No training hears her, nor any recording.

Symbols are words. The metrics of `research/tasks/sequences.py` are those of the unseen voices; others are

    eval/free_running/word_error_rate               of the unseen voices: the same as eval/free_running/error_rate
    eval/free_running/real/word_error_rate          of all that the real voice says
    eval/free_running/real/sequence_error_rate      share of her strings with an error
    eval/free_running/real/single_word_error_rate   of her ten digits, each alone
    eval/baseline/word_error_rate, eval/baseline/real/word_error_rate      of the likeliest training string for all
"""

from collections.abc import Sequence
from typing import ClassVar

import jax
import numpy as np

from research.config import SpeechDigitsConfig
from research.tasks import sequences, transcripts
from research.tasks.corpora import asterisk, espeak, flite
from research.tasks.corpora.recordings import Recording
from research.tasks.speech import Speech
from research.tasks.task import Evaluation, Outcome

JOINED = 200
"""Strings of real digits; some are drawn twice, most of them of two digits, so that 160 differ."""
LONGEST_PAUSE = 0.1
"""Seconds of silence between two of them, beside what the recordings begin and end with."""
SEED = 0


class SpeechDigits(Speech):
    """Connected digits, synthesised, to their names; voices held out, and a real one (espeak-ng, Asterisk)."""

    name: ClassVar[str] = "speech_digits"

    def __init__(self, options: SpeechDigitsConfig) -> None:
        splits = espeak.load()
        train = splits["train"] + (flite.load(options.flite_strings) if options.flite_strings else [])
        self.hear(options, train, splits[options.held_out] + joined(asterisk.digits()), str.split, " ")
        self._voices = {one.speaker for one in splits[options.held_out]}
        self.constant = transcripts.likeliest([one.text for one in train])
        """What to say without listening."""

    def evaluate(self, outcome: Outcome) -> Evaluation:
        rows = self.rows(len(outcome.loss))
        held_out = self.held_out(len(rows))
        synthesised = np.array([self.test[row].speaker in self._voices for row in rows])
        own, own_held_out = jax.tree.map(lambda x: x[synthesised], (outcome, held_out))
        found = sequences.evaluate(own, own_held_out)
        targets = [sequences.symbols(target) for target in held_out.targets]
        free = sequences.score(outcome.outputs, [[target] for target in targets])
        ids = self.vocabulary.ids(self.constant.split())
        constant = sequences.score(np.array([ids] * len(rows)), [[target] for target in targets])
        wrong, single = free.distance > 0, ~synthesised & (free.symbols == 1)
        metrics = found.metrics | {
            "eval/free_running/word_error_rate": _rate(free, synthesised),
            "eval/free_running/real/word_error_rate": _rate(free, ~synthesised),
            "eval/free_running/real/sequence_error_rate": sequences.rate(
                wrong[~synthesised], np.ones(np.sum(~synthesised))
            ),
            "eval/free_running/real/single_word_error_rate": _rate(free, single),
            "eval/baseline/word_error_rate": _rate(constant, synthesised),
            "eval/baseline/real/word_error_rate": _rate(constant, ~synthesised),
        }
        return Evaluation(metrics, found.by_length, found.by_position)


def joined(digits: Sequence[Recording]) -> list[Recording]:
    """Recordings of the digits from 0 on, each alone and in strings that may stand in the test split."""
    rng = np.random.default_rng(SEED)
    strings = [[digit] for digit in range(len(digits))]
    strings += [espeak.digits(rng, "test", least=2) for _ in range(JOINED)]
    return [_string([digits[digit] for digit in string], rng) for string in strings]


def _string(parts: Sequence[Recording], rng: np.random.Generator) -> Recording:
    first, *rest = parts
    sound = [first.sound]
    for part in rest:
        pause = np.zeros(int(rng.uniform(0, LONGEST_PAUSE) * first.rate), np.int16)
        sound += [pause, part.sound]
    return Recording(np.concatenate(sound), first.rate, " ".join(part.text for part in parts), first.speaker)


def _rate(free: sequences.Edits, chosen: np.ndarray) -> float:
    return sequences.rate(free.distance[chosen], free.symbols[chosen])
