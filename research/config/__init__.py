"""Every option of a trial, as frozen dataclasses.

The dotted name of a field is its command-line flag, its key in a sweep file, in `config.json` and in W&B. A trial is
named in full by its flat form (see `dotted`).
"""

from research.config.checks import require, require_positive
from research.config.image import DIGIT, STAMP, ImageDigitsConfig, ImageStampsConfig, WarpOptions
from research.config.model import (
    AttentionConfig,
    Backend,
    CellConfig,
    InitConfig,
    InputInit,
    ModelConfig,
    RecurrentInit,
)
from research.config.speech import FeatureOptions, SpeechOptions, SpeechPromptsConfig, SpeechSyllablesConfig
from research.config.task import (
    PIXELS,
    AddingConfig,
    PixelsConfig,
    PronunciationConfig,
    TaskConfig,
    TranslationConfig,
    task_types,
)
from research.config.task_options import TaskOptions
from research.config.training import NOISE, ProbesConfig, TrackingConfig, TrainingConfig
from research.config.trial import Config
from research.config.words import DecodingConfig, ForcingConfig

__all__ = [
    "DIGIT",
    "NOISE",
    "PIXELS",
    "STAMP",
    "AddingConfig",
    "AttentionConfig",
    "Backend",
    "CellConfig",
    "Config",
    "DecodingConfig",
    "FeatureOptions",
    "ForcingConfig",
    "ImageDigitsConfig",
    "ImageStampsConfig",
    "InitConfig",
    "InputInit",
    "ModelConfig",
    "PixelsConfig",
    "ProbesConfig",
    "PronunciationConfig",
    "RecurrentInit",
    "SpeechOptions",
    "SpeechPromptsConfig",
    "SpeechSyllablesConfig",
    "TaskConfig",
    "TaskOptions",
    "TrackingConfig",
    "TrainingConfig",
    "TranslationConfig",
    "WarpOptions",
    "require",
    "require_positive",
    "task_types",
]
