"""Recorded prompts of a telephone exchange to their letters: Asterisk's, one voice a language, split by text.

Some 400 recordings are few to learn from. `task.joined` adds what they make when they are joined (`joined.py`), and
`task.synthesised` adds sentences by other voices (`research/tasks/corpora/espeak_sentences.py`), none of which holds a
text that is held out. An epoch has each example once, whatever it is of.

The form of the texts is stated in `research/tasks/corpora/asterisk.py`. Metrics, beside those of
`research/tasks/sequences.py`, whose symbols are characters:

    eval/free_running/character_error_rate, word_error_rate     of the texts (`research/tasks/transcripts.py`)
    eval/baseline/character_error_rate, word_error_rate         of `transcripts.likeliest` of training, said of all
"""

from typing import ClassVar

from research.config import SpeechPromptsConfig
from research.tasks import joined, transcripts
from research.tasks.corpora import asterisk, espeak_sentences
from research.tasks.speech import Speech
from research.tasks.task import Evaluation, Outcome


class SpeechPrompts(Speech):
    """Recorded prompts of a telephone exchange to their letters, one voice a language (Asterisk)."""

    name: ClassVar[str] = "speech_prompts"

    def __init__(self, options: SpeechPromptsConfig) -> None:
        splits = asterisk.load(options.language)
        train = [*splits["train"], *joined.joined(splits["train"], options.joined)]
        if options.synthesised:
            train += espeak_sentences.load(options.language, options.synthesised)
        self.hear(options, train, splits[options.held_out], list)
        self.constant = transcripts.likeliest([one.text for one in splits["train"]])
        """What to say without listening."""

    def evaluate(self, outcome: Outcome) -> Evaluation:
        return self.transcribed(outcome, self.constant)
