"""Recorded prompts of a telephone exchange to their letters: Asterisk's, one voice a language, split by text.

The form of the texts is stated in `research/tasks/corpora/asterisk.py`. Metrics, beside those of
`research/tasks/sequences.py`, whose symbols are characters:

    eval/character_error_rate, eval/word_error_rate   of the free-running output (`research/tasks/transcripts.py`)
    eval/baseline/…                                   of the same output for all: `transcripts.likeliest` of training
"""

from typing import ClassVar

from research.config import SpeechPromptsConfig
from research.tasks import sequences, transcripts
from research.tasks.corpora import asterisk
from research.tasks.speech import Speech
from research.tasks.task import Evaluation, Outcome


class SpeechPrompts(Speech):
    """Recorded prompts of a telephone exchange to their letters, one voice a language (Asterisk)."""

    name: ClassVar[str] = "speech_prompts"

    def __init__(self, options: SpeechPromptsConfig) -> None:
        splits = asterisk.load(options.language)
        self.hear(options, splits["train"], splits["test"], list)
        self.constant = transcripts.likeliest([one.text for one in splits["train"]])
        """What to say without listening."""

    def evaluate(self, outcome: Outcome) -> Evaluation:
        rows = self.rows(len(outcome.loss))
        found = sequences.evaluate(outcome, self.held_out(len(rows)))
        references = [self.test[row].text for row in rows]
        outputs = [self.own_reader().text(sequences.symbols(tokens)) for tokens in outcome.outputs]
        rates = {"": outputs, "baseline/": [self.constant] * len(rows)}
        metrics = {
            f"eval/{kind}{name}": value
            for kind, said in rates.items()
            for name, value in transcripts.error_rates(references, said).items()
        }
        return Evaluation(found.metrics | metrics, found.by_length, found.by_position)
