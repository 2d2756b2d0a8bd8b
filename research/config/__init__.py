"""Every option of a trial, as frozen dataclasses.

The dotted name of a field is its command-line flag, its key in a sweep file, in `config.json` and in W&B. A trial is
named in full by its flat form (see `dotted`).
"""

from research.config.checks import require, require_positive
from research.config.image import (
    DIGIT,
    STAMP,
    CaptionOptions,
    CocoCaptionsConfig,
    ImageDigitsConfig,
    ImageStampsConfig,
    WarpOptions,
)
from research.config.model import (
    AttentionConfig,
    Backend,
    CellConfig,
    InitConfig,
    InputInit,
    ModelConfig,
    RecurrentInit,
)
from research.config.speech import (
    FeatureOptions,
    LibrispeechConfig,
    SpeechCommandsConfig,
    SpeechDigitsConfig,
    SpeechOptions,
    SpeechPromptsConfig,
    SpeechSyllablesConfig,
)
from research.config.synthetic import (
    AddingConfig,
    CopyConfig,
    CopyingMemoryConfig,
    DelayedRecallConfig,
    DyckConfig,
    MultiplicationConfig,
    RepeatCopyConfig,
    ReverseConfig,
    SelectiveCopyingConfig,
    TemporalOrderConfig,
)
from research.config.task import (
    PIXELS,
    PixelsConfig,
    PronunciationConfig,
    TaskConfig,
    task_types,
)
from research.config.task_options import TaskOptions
from research.config.training import NOISE, InputConfig, ProbesConfig, TrackingConfig, TrainingConfig
from research.config.translation import (
    TedHrlrTranslateConfig,
    TranslationConfig,
    TranslationOptions,
    Wmt14TranslateConfig,
)
from research.config.trial import Config
from research.config.words import METHOD_OPTIONS, DecodingConfig, ForcingConfig

__all__ = [
    "DIGIT",
    "METHOD_OPTIONS",
    "NOISE",
    "PIXELS",
    "STAMP",
    "AddingConfig",
    "AttentionConfig",
    "Backend",
    "CaptionOptions",
    "CellConfig",
    "CocoCaptionsConfig",
    "Config",
    "CopyConfig",
    "CopyingMemoryConfig",
    "DecodingConfig",
    "DelayedRecallConfig",
    "DyckConfig",
    "FeatureOptions",
    "ForcingConfig",
    "ImageDigitsConfig",
    "ImageStampsConfig",
    "InitConfig",
    "InputConfig",
    "InputInit",
    "LibrispeechConfig",
    "ModelConfig",
    "MultiplicationConfig",
    "PixelsConfig",
    "ProbesConfig",
    "PronunciationConfig",
    "RecurrentInit",
    "RepeatCopyConfig",
    "ReverseConfig",
    "SelectiveCopyingConfig",
    "SpeechCommandsConfig",
    "SpeechDigitsConfig",
    "SpeechOptions",
    "SpeechPromptsConfig",
    "SpeechSyllablesConfig",
    "TaskConfig",
    "TaskOptions",
    "TedHrlrTranslateConfig",
    "TemporalOrderConfig",
    "TrackingConfig",
    "TrainingConfig",
    "TranslationConfig",
    "TranslationOptions",
    "WarpOptions",
    "Wmt14TranslateConfig",
    "require",
    "require_positive",
    "task_types",
]
