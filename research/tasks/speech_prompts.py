"""Recorded prompts of a telephone exchange to their letters: Asterisk's, one voice a language, split by text.

Some 400 recordings are few to learn from. `task.joined` adds concatenations of them (`data/audio/concatenation.py`),
and `task.synthesized` adds sentences by other voices (`data/corpora/espeak_sentences.py`), none of which contains a
text of validation or test. An epoch has each example once, whatever its origin.

The form of the texts is stated in `research/data/corpora/asterisk.py`. The metrics of
`research/tasks/metrics/edits.py`, whose symbols are characters, are reported together with

    free_running/character_error_rate, word_error_rate               of the texts (`research/tasks/metrics/text.py`)
    baseline/most_frequent/character_error_rate, word_error_rate     of the most frequent training text for all
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from research.data.audio.concatenation import concatenate
from research.data.corpora import asterisk, espeak_sentences
from research.data.corpora.espeak_sentences import MAX_SENTENCES
from research.data.corpora.recordings import Recording
from research.options import require_between
from research.tasks.corpus_task import Prepared
from research.tasks.metrics import text
from research.tasks.speech import SpeechTask


@dataclass(frozen=True)
class SpeechPrompts(SpeechTask):
    """Recorded prompts of a telephone exchange to their letters, one voice a language (Asterisk)."""

    token_unit: ClassVar[str] = "character"
    name: Literal["speech_prompts"] = "speech_prompts"
    language: Literal["en", "fr", "es", "it", "ru"] = "en"
    """Spoken language: English, French, Spanish, Italian, Russian."""
    joined: int = 0
    """Training examples to add, each of two or three training recordings concatenated."""
    synthesized: int = 0
    """Training examples to add: sentences by espeak-ng's voices, of the words of the training prompts and, in English
    and French, of LibreOffice's help."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "task", joined=(0, 100_000), synthesized=(0, MAX_SENTENCES))

    @functools.cached_property
    def splits(self) -> Mapping[str, Sequence[Recording]]:
        return asterisk.load(self.language)

    @functools.cached_property
    def prepared(self) -> Prepared:
        prompts = self.splits["train"]
        train = [*prompts, *concatenate(prompts, self.joined)]
        if self.synthesized:
            train += espeak_sentences.load(self.language, self.synthesized)
        return self.prepare(train, text.most_frequent([recording.text for recording in prompts]))

    def describe(self) -> str:
        return f"recorded prompts, {self.language}"
