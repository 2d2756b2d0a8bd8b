"""Large corpora through the builders that TFDS brings: TFDS downloads, verifies and splits them with its own code.

Preparing one needs TensorFlow (`requirements-tfds.txt`); reading a prepared one does not. Records lie where any user of
TFDS has them, so a corpus that was prepared elsewhere as array_record is read unchanged. An archive that lies in
`downloads/manual` of the data folder is not downloaded. Images, and the audio of LibriSpeech, are kept as files and
decoded by their reader. The builders download all archives of a corpus, whatever part of it a task trains on.
"""

import contextlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.data.corpora.corpus import Corpus
from research.data.corpora.fetch import data_folder, manual_folder
from research.data.corpora.source import reading
from research.errors import UserError, suggest


@dataclass(frozen=True, kw_only=True)
class TfdsCorpus(Corpus):
    """A corpus whose builder is part of TFDS."""

    source: str = "TFDS"
    builder_class: str = ""
    """Module and name of its builder in TFDS; empty: TFDS finds it by the name of the corpus."""
    archives: tuple[str, ...] = ()
    """Names of the files that it is made of, where they may be put by hand."""

    def prepare(self, config: str | None = None) -> Path:
        config = config or next(iter(self.configs), None)
        if folders := self._folders(config or ""):
            return folders[-1]
        builder = self.builder(config)
        return self.write_once(Path(builder.data_path), lambda: self._download_and_prepare(builder))

    def prepared(self) -> list[Path]:
        return self._folders("")

    def _folders(self, config: str) -> list[Path]:
        """Return the prepared folders of a config, or of all, by version."""
        infos = sorted((data_folder() / self.name / config).rglob("dataset_info.json"))
        return [path.parent for path in infos if not path.parent.name.startswith("incomplete.")]

    def builder(self, config: str | None) -> Any:
        """Return TFDS's builder.

        Raises:
            UserError: if a prepared folder is damaged.
        """
        import tensorflow_datasets as tfds

        module, _, name = self.builder_class.rpartition(".")
        try:
            place = importlib.import_module(f"tensorflow_datasets.{module}") if name else None
            builder = getattr(place, name) if place else tfds.builder_cls(self.name)
        except tfds.core.DatasetNotFoundError as error:
            close = suggest(self.name, tfds.list_builders(with_community_datasets=False)).partition(", ")[0]
            where = f"TFDS has no builder of that name, and {data_folder()} no prepared data; {close}"
            raise UserError(f"tfds:{self.name}: {where}") from error
        if builder.__module__.startswith("tensorflow_datasets."):  # not one that a user has registered
            require_tensorflow(self.name)
        make: Any = builder  # TFDS decorates the constructor in a way that hides its parameters
        with reading(data_folder() / self.name):
            return make(config=config, data_dir=data_folder(), file_format="array_record")

    def _download_and_prepare(self, builder: Any) -> None:
        import tensorflow_datasets as tfds

        settings = tfds.download.DownloadConfig(manual_dir=manual_folder())
        try:
            with contextlib.redirect_stdout(sys.stderr):
                builder.download_and_prepare(download_config=settings, file_format="array_record")
        except Exception as error:  # what downloads, archives and builders raise has no common type
            if isinstance(error, OSError) and error.errno:  # of the system, not of a download or of an archive's reader
                raise
            reason = " ".join(str(error).partition("\n")[0].split()).removesuffix(":") or type(error).__name__
            names = ", ".join(self.archives) or "those that the builder names"
            advice = f"archives that are put into {manual_folder()} by hand are taken from there: {names}"
            raise UserError(f"{self.name} cannot be prepared: {reason}; {advice}") from error


def require_tensorflow(name: str) -> None:
    """Raise UserError, in one line, if TensorFlow is not installed."""
    if importlib.util.find_spec("tensorflow") is None:
        advice = "pip install -r requirements-tfds.txt, or put records here that were prepared elsewhere"
        raise UserError(f"{name}: preparing it needs TensorFlow; {advice}")


CORPORA = {
    corpus.name: corpus
    for corpus in (
        TfdsCorpus(
            name="librispeech",
            summary="Read English books, 960 hours of training, by many voices.",
            license="CC-BY-4.0",
            megabytes=61358,
            citation="Panayotov et al., LibriSpeech: an ASR corpus based on public domain audio books, 2015",
            configs=("lazy_decode",),
            builder_class="datasets.librispeech.librispeech_dataset_builder.Builder",
            archives=(
                *("dev-clean.tar.gz", "dev-other.tar.gz", "test-clean.tar.gz", "test-other.tar.gz"),
                *("train-clean-100.tar.gz", "train-clean-360.tar.gz", "train-other-500.tar.gz"),
            ),
        ),
        TfdsCorpus(
            name="speech_commands",
            summary="Single English words of a second, 105,000 recordings.",
            license="CC-BY-4.0",
            megabytes=2541,
            citation="Warden, Speech Commands: a dataset for limited-vocabulary speech recognition, 2018",
            builder_class="datasets.speech_commands.speech_commands_dataset_builder.Builder",
            archives=("speech_commands_v0.02.tar.gz", "speech_commands_test_set_v0.02.tar.gz"),
        ),
        TfdsCorpus(
            name="ted_hrlr_translate",
            summary="Sentences of TED talks in English and six languages.",
            license="CC-BY-NC-ND-4.0",
            megabytes=131,
            citation="Qi et al., When and why are pre-trained word embeddings useful for neural machine translation?, "
            "2018",
            configs=tuple(f"{language}_to_en" for language in ("pt", "ru", "tr", "az", "be", "gl")),
            builder_class="datasets.ted_hrlr_translate.ted_hrlr_translate_dataset_builder.Builder",
            archives=("qi18naacl-dataset.tar.gz",),
        ),
        TfdsCorpus(
            name="wmt14_translate",
            summary="Sentences of the European parliament, of news and of the web in English and German.",
            license="of each part",
            megabytes=1695,
            citation="Bojar et al., Findings of the 2014 workshop on statistical machine translation, 2014",
            configs=("de-en",),
            builder_class="translate.wmt14.Wmt14Translate",
            archives=(
                *("training-parallel-europarl-v7.tgz", "training-parallel-commoncrawl.tgz"),
                *("training-parallel-nc-v9.tgz", "dev.tgz"),
            ),
        ),
        TfdsCorpus(
            name="coco_captions",
            summary="123,000 photographs with five English captions each (COCO 2014).",
            license="of each photograph; captions CC-BY-4.0",
            megabytes=40379,
            citation="Lin et al., Microsoft COCO: common objects in context, 2014; Karpathy, Li, Deep visual-semantic "
            "alignments for generating image descriptions, 2015",
            configs=("2014",),
            builder_class="object_detection.coco_captions.CocoCaptions",
            archives=(
                *("train2014.zip", "val2014.zip", "test2014.zip", "test2015.zip"),
                *("annotations_trainval2014.zip", "image_info_test2014.zip", "image_info_test2015.zip"),
                "caption_datasets.zip",
            ),
        ),
    )
}
