"""The corpora that TFDS brings and that there are tasks for: what is known of them without TFDS.

Their builders download all archives of a corpus, whatever part of it a task trains on.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class StockSet:
    """A corpus of TFDS."""

    summary: str
    module: str
    """Where in TFDS its builder is defined."""
    configs: tuple[str, ...]
    """Of the builder, the default first; none, where it has none."""
    archives: tuple[str, ...]
    """The names of the files that it is made of."""
    megabytes: int
    """Their size."""
    licence: str
    citation: str


STOCK_SETS = {
    "librispeech": StockSet(
        summary="Read English books, 960 hours of training, by many voices.",
        module="datasets.librispeech.librispeech_dataset_builder",
        configs=("lazy_decode",),
        archives=tuple(
            f"{part}.tar.gz"
            for part in (
                "dev-clean",
                "dev-other",
                "test-clean",
                "test-other",
                "train-clean-100",
                "train-clean-360",
                "train-other-500",
            )
        ),
        megabytes=61358,
        licence="CC-BY-4.0",
        citation="Panayotov et al., LibriSpeech: an ASR corpus based on public domain audio books, 2015",
    ),
    "speech_commands": StockSet(
        summary="Single English words of a second, 105,000 recordings.",
        module="datasets.speech_commands.speech_commands_dataset_builder",
        configs=(),
        archives=("speech_commands_v0.02.tar.gz", "speech_commands_test_set_v0.02.tar.gz"),
        megabytes=2541,
        licence="CC-BY-4.0",
        citation="Warden, Speech Commands: a dataset for limited-vocabulary speech recognition, 2018",
    ),
    "ted_hrlr_translate": StockSet(
        summary="Sentences of TED talks in English and six languages.",
        module="datasets.ted_hrlr_translate.ted_hrlr_translate_dataset_builder",
        configs=tuple(f"{language}_to_en" for language in ("pt", "ru", "tr", "az", "be", "gl")),
        archives=("qi18naacl-dataset.tar.gz",),
        megabytes=131,
        licence="CC-BY-NC-ND-4.0",
        citation="Qi et al., When and why are pre-trained word embeddings useful for neural machine translation?, 2018",
    ),
    "wmt14_translate": StockSet(
        summary="Sentences of the European parliament, of news and of the web in English and German.",
        module="translate.wmt14",
        configs=("de-en",),
        archives=(
            "training-parallel-europarl-v7.tgz",
            "training-parallel-commoncrawl.tgz",
            "training-parallel-nc-v9.tgz",
            "dev.tgz",
        ),
        megabytes=1695,
        licence="of each part",
        citation="Bojar et al., Findings of the 2014 workshop on statistical machine translation, 2014",
    ),
    "coco_captions": StockSet(
        summary="123,000 photographs with five English captions each (COCO 2014).",
        module="object_detection.coco_captions",
        configs=("2014",),
        archives=(
            "train2014.zip",
            "val2014.zip",
            "test2014.zip",
            "test2015.zip",
            "annotations_trainval2014.zip",
            "image_info_test2014.zip",
            "image_info_test2015.zip",
            "caption_datasets.zip",
        ),
        megabytes=40379,
        licence="of each photograph; captions CC-BY-4.0",
        citation="Lin et al., Microsoft COCO: common objects in context, 2014; Karpathy, Li, Deep visual-semantic "
        "alignments for generating image descriptions, 2015",
    ),
}
