"""The builders of TFDS on small archives of the formats that they download; stand-ins take TensorFlow's place."""

import importlib
import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tensorflow_datasets.core.download import downloader

from research.data.corpora.source import Source
from research.data.corpora.stock import CORPORA
from research.errors import UserError
from tests.data.corpora import archives
from tests.data.corpora.archives import manual_folder, prepare


@pytest.fixture(autouse=True)
def manual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return manual_folder(tmp_path, monkeypatch)


def test_librispeech_is_read_as_flac_files_with_their_texts_and_speakers(manual):
    archives.librispeech(manual)
    folder = prepare("librispeech", "lazy_decode")
    for number, split in enumerate(("dev_clean", "dev_other", "test_clean", "test_other", "train_clean100")):
        source = Source(str(folder), split, ("speech",))
        examples = [source[row] for row in range(len(source))]
        found = {example["text"].decode(): example for example in examples}
        assert set(found) == set(archives.TEXTS)
        for k, text in enumerate(archives.TEXTS):
            sound, rate = soundfile.read(io.BytesIO(found[text]["speech"]), dtype="int16")
            np.testing.assert_array_equal(sound, archives.samples(100 * number + k, 0.5 + 0.1 * k))
            assert (rate, found[text]["speaker_id"]) == (16000, 19 + number)


def test_speech_commands_are_samples_and_a_label_and_noise_is_cut_into_seconds(manual):
    archives.speech_commands(manual)
    folder = prepare("speech_commands")
    counts = {}
    for split in ("train", "validation", "test"):
        source = Source(str(folder), split)
        examples = [source[row] for row in range(len(source))]
        counts[split] = np.bincount([example["label"] for example in examples], minlength=12)[[9, 3, 10, 11]].tolist()
        assert all(example["audio"].dtype == np.int16 for example in examples)
    # yes, no, silence, unknown: of "bed", and of what the test set has
    assert counts == {"train": [2, 3, 3, 3], "validation": [1, 0, 3, 1], "test": [1, 1, 1, 1]}


def test_ted_talks_are_pairs_without_those_that_lack_a_side(manual):
    archives.ted_hrlr_translate(manual)
    folder = prepare("ted_hrlr_translate", "pt_to_en")
    sources = {split: Source(str(folder), split) for split in ("train", "validation", "test")}
    assert {split: len(source) for split, source in sources.items()} == {"train": 39, "validation": 5, "test": 6}
    pairs = {(example["pt"], example["en"]) for example in map(sources["test"].__getitem__, range(6))}
    assert (b"palavra palavra number 201", b"word word number 201") in pairs


def test_wmt14_joins_its_archives(manual):
    archives.wmt14_translate(manual)
    folder = prepare("wmt14_translate", "de-en")
    sizes = [len(Source(str(folder), split)) for split in ("train", "validation", "test")]
    assert sizes == [20 + 10 + 5, 6, 4]
    assert Source(str(folder), "test")[0]["de"].startswith(b"Wort ")


def test_coco_pictures_are_jpeg_files_with_captions_in_the_splits_of_karpathy(manual):
    archives.coco_captions(manual)
    folder = prepare("coco_captions", "2014")
    found = {}
    for split in ("train", "val", "test", "restval"):
        source = Source(str(folder), split, ("image",))
        for example in map(source.__getitem__, range(len(source))):
            found[int(example["image/id"])] = split
            number = int(example["image/id"])
            assert example["image"] == archives.picture(number)
            assert set(example["captions"]["text"]) == {archives.caption(number, k).encode() for k in range(2)}
    assert found == {1: "train", 2: "train", 3: "val", 4: "test", 5: "test", 6: "restval"}
    assert "tensorflow" not in sys.modules


def test_a_corpus_is_prepared_once_and_a_copy_of_its_source_reads_the_same(manual):
    archives.ted_hrlr_translate(manual)
    folder = prepare("ted_hrlr_translate", "pt_to_en")
    for archive in manual.iterdir():
        archive.unlink()
    assert prepare("ted_hrlr_translate", "pt_to_en") == folder
    source = Source(str(folder), "train")
    assert pickle.loads(pickle.dumps(source))[7] == source[7]


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_an_archive_of_another_content_or_format_is_one_line(content, manual):
    archive = manual / "qi18naacl-dataset.tar.gz"
    if content:
        archive.write_bytes(content)
    else:
        archives.ted_hrlr_translate(manual)
        CORPORA["ted_hrlr_translate"].builder("pt_to_en")  # from here on its checksum is known
        archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(UserError, match="ted_hrlr_translate cannot be prepared: ") as raised:
        prepare("ted_hrlr_translate", "pt_to_en")
    assert "\n" not in str(raised.value) and str(manual) in str(raised.value)


def test_damaged_records_are_one_line_that_names_the_folder(manual):
    archives.ted_hrlr_translate(manual)
    folder = prepare("ted_hrlr_translate", "pt_to_en")
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match="pt_to_en.*cannot be read"):
        len(Source(str(folder), "train"))


def test_a_download_that_fails_is_one_line_that_says_what_to_put_where(manual, monkeypatch):
    module = importlib.import_module(
        "tensorflow_datasets.datasets.ted_hrlr_translate.ted_hrlr_translate_dataset_builder"
    )
    monkeypatch.setattr(module, "_DATA_URL", "http://127.0.0.1:9/qi18naacl-dataset.tar.gz")  # where nobody listens
    monkeypatch.setattr(downloader, "MAX_RETRIES", 0)
    with pytest.raises(UserError, match="ted_hrlr_translate cannot be prepared: .*127.0.0.1.*; archives") as raised:
        prepare("ted_hrlr_translate", "pt_to_en")
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(f"{manual} by hand are taken from there: qi18naacl-dataset.tar.gz")


def test_prepared_records_are_read_without_tensorflow_and_preparing_says_that_it_is_needed(manual):
    archives.librispeech(manual)
    folder = prepare("librispeech", "lazy_decode")
    program = f"""
import sys
from research.data.corpora.source import Source
from research.data.corpora.stock import CORPORA
from research.errors import UserError
print(Source({str(folder)!r}, "dev_clean", ("speech",))[0]["speech"][:4])
try:
    CORPORA["speech_commands"].prepare()
except UserError as error:
    print(error)
print("tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    flac, line, imported = done.stdout.splitlines()
    assert flac == "b'fLaC'" and line.startswith("speech_commands: preparing it needs TensorFlow; pip install")
    assert imported == "False"


@pytest.mark.parametrize("name", CORPORA)
def test_what_is_told_of_a_corpus_is_what_its_builder_asks_for(name, manual):
    corpus = CORPORA[name]
    builder = corpus.builder(next(iter(corpus.configs), None))
    sizes = {info.filename: info.size for info in type(builder).url_infos.values()}
    assert corpus.megabytes == pytest.approx(sum(sizes[archive] for archive in corpus.archives) / 1e6, abs=1)
    assert set(corpus.configs) <= set(type(builder).builder_configs)
    getattr(archives, name)(manual)
    assert {path.name for path in manual.iterdir()} == set(corpus.archives)
