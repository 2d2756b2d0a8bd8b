"""Recorded prompts of a telephone exchange to their letters: Asterisk's, one voice a language, split by text.

The form of the texts is stated in `research/tasks/corpora/asterisk.py`. Metrics, beside those of
`research/tasks/sequences.py`, whose symbols are characters:

    eval/character_error_rate, eval/word_error_rate   of the free-running output (`research/tasks/transcripts.py`)
    eval/baseline/…                                   of the same output for all: `transcripts.likeliest` of training
"""

from typing import ClassVar

from research.config import SpeechPromptsConfig
from research.tasks import transcripts
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
        return self.transcribed(outcome, self.constant)
