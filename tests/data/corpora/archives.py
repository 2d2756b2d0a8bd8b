"""Miniatures of the archives that TFDS downloads, in their formats, and what prepares them without TensorFlow."""

import glob
import importlib
import io
import json
import tarfile
import types
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from tensorflow_datasets.core.download import checksums

from research.data.corpora import stock
from research.data.corpora.stock import TfdsCorpus

RATE = 16000
TEXTS = ("HELLO", "THE CAT SAT", "IT IS A LONG DAY", "A B", "NO MORE")


def manual_folder(data: Path, patch: pytest.MonkeyPatch) -> Path:
    """An empty data folder's manual folder: TFDS expects the checksums of what lies there when a corpus is prepared."""
    manual = data / "downloads" / "manual"
    manual.mkdir(parents=True)
    patch.setenv("TFDS_DATA_DIR", str(data))
    expected: dict[str, Any] = {}

    def builder(self: TfdsCorpus, config: str | None) -> Any:
        created = real(self, config)
        for url, info in type(created).url_infos.items():
            if url not in expected and (manual / info.filename).exists():
                expected[url] = checksums.compute_url_info(manual / info.filename)
        patch.setattr(type(created), "url_infos", {**type(created).url_infos, **expected})
        return created

    real = TfdsCorpus.builder
    patch.setattr(TfdsCorpus, "builder", builder)
    use_stand_ins(patch)
    return manual


def prepare(name: str, config: str | None = None) -> Path:
    """Prepare a corpus, and return the folder of its records."""
    return stock.CORPORA[name].prepare(config)


class _String(np.str_):
    as_numpy_dtype = np.object_


TENSORFLOW = types.SimpleNamespace(
    string=_String,
    int64=np.int64,
    int32=np.int32,
    int16=np.int16,
    uint8=np.uint8,
    io=types.SimpleNamespace(gfile=types.SimpleNamespace(GFile=open, glob=glob.glob)),
    dtypes=types.SimpleNamespace(as_dtype=lambda dtype: dtype),
    compat=types.SimpleNamespace(as_text=str),
)
"""What TFDS calls of TensorFlow to prepare the corpora: functions on files, and names of types."""


class _Audio:
    """What the builder of `speech_commands` calls of pydub: mono sounds of 16 bits."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples

    @classmethod
    def from_file(cls, file: Any, format: str) -> "_Audio":
        return cls(soundfile.read(io.BytesIO(file.read()), dtype="int16")[0])

    def get_array_of_samples(self) -> np.ndarray:
        return self._samples


def use_stand_ins(patch: pytest.MonkeyPatch) -> None:
    """Prepare corpora of TFDS without TensorFlow, which is too large for a requirement of tests."""
    pydub = types.SimpleNamespace(
        AudioSegment=_Audio, exceptions=types.SimpleNamespace(CouldntDecodeError=soundfile.LibsndfileError)
    )
    lazy = types.SimpleNamespace(lazy_imports=types.SimpleNamespace(pydub=pydub))
    builders = [corpus.builder_class.rpartition(".")[0] for corpus in stock.CORPORA.values()]
    core = [f"core.{name}" for name in ("features.feature", "features.audio_feature", "download.extractor")]
    for place in (*builders, "object_detection.coco", *core):
        module = importlib.import_module(f"tensorflow_datasets.{place}")
        for name, stand_in in {"tf": TENSORFLOW, "lazy_imports_lib": lazy}.items():
            if name in vars(module):
                patch.setattr(module, name, stand_in)
    patch.setattr(stock, "require_tensorflow", lambda name: None)


def tar(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> None:
    with tarfile.open(path, mode) as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def sound(samples: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format=kind, subtype="PCM_16")
    return buffer.getvalue()


def samples(seed: int, seconds: float) -> np.ndarray:
    return np.random.default_rng(seed).integers(-2000, 2000, int(seconds * RATE)).astype(np.int16)


def librispeech(folder: Path, texts: tuple[str, ...] = TEXTS) -> None:
    """Each subset has one chapter of these texts: the first lasts half a second, each other a tenth longer."""
    about = {"LibriSpeech/SPEAKERS.TXT": b"; ID\n19 | F | train-clean-100 | 25.19 | Kara Shallenberg\n"}
    about["LibriSpeech/CHAPTERS.TXT"] = b"; ID\n198 | 19 | 18.19 | train-clean-100 | 160 | 161 | One | Two\n"
    subsets = (
        "dev-clean",
        "dev-other",
        "test-clean",
        "test-other",
        "train-clean-100",
        "train-clean-360",
        "train-other-500",
    )
    for number, subset in enumerate(subsets):
        place = f"LibriSpeech/{subset}/{19 + number}/198"
        names = [f"{19 + number}-198-{k:04}" for k in range(len(texts))]
        lines = "".join(f"{name} {text}\n" for name, text in zip(names, texts, strict=True))
        files = dict(about) | {f"{place}/{19 + number}-198.trans.txt": lines.encode()}
        for k, name in enumerate(names):
            files[f"{place}/{name}.flac"] = sound(samples(100 * number + k, 0.5 + 0.1 * k), "FLAC")
        tar(folder / f"{subset}.tar.gz", files)


def speech_commands(folder: Path) -> None:
    words = ("yes", "no", "bed")
    files = {f"./{word}/a{k}_nohash_0.wav": sound(samples(k, 0.5), "WAV") for word in words for k in range(4)}
    for name in ("running_tap.wav", "white_noise.wav"):
        files[f"./_background_noise_/{name}"] = sound(samples(7, 2.2), "WAV")
    files["./testing_list.txt"] = b"yes/a0_nohash_0.wav\nno/a0_nohash_0.wav\n"
    files["./validation_list.txt"] = b"yes/a1_nohash_0.wav\nbed/a1_nohash_0.wav\n"
    tar(folder / "speech_commands_v0.02.tar.gz", files)
    test = {f"./{word}/t0.wav": sound(samples(9, 0.4), "WAV") for word in ("yes", "no", "_silence_", "_unknown_")}
    tar(folder / "speech_commands_test_set_v0.02.tar.gz", test)


def ted_hrlr_translate(folder: Path) -> None:
    """Portuguese to English; a line of one side is empty."""
    files = {}
    for split, first, count in (("train", 0, 40), ("dev", 100, 6), ("test", 200, 7)):
        for language, word in (("pt", "palavra"), ("en", "word")):
            lines = [" ".join([word] * (1 + k % 5) + ["number", str(first + k)]) for k in range(count)]
            lines[3] = "" if language == "en" else lines[3]
            files[f"datasets/pt_to_en/{language}.{split}"] = "\n".join(lines).encode()
    tar(folder / "qi18naacl-dataset.tar.gz", files)


def wmt14_translate(folder: Path) -> None:
    """German to English."""

    def pair(place: str, count: int) -> dict[str, bytes]:
        return {
            place.format(language): "\n".join(f"{word} {place[:9]} {k}" for k in range(count)).encode()
            for language, word in (("de", "Wort"), ("en", "word"))
        }

    tar(folder / "training-parallel-europarl-v7.tgz", pair("training/europarl-v7.de-en.{}", 20))
    tar(folder / "training-parallel-commoncrawl.tgz", pair("commoncrawl.de-en.{}", 10))
    tar(folder / "training-parallel-nc-v9.tgz", pair("training/news-commentary-v9.de-en.{}", 5))
    newest = {
        f"dev/newstest2014-deen-{side}.{language}.sgm": "\n".join(
            ["<refset>", *(f'<seg id="{k}">{word} {k}</seg>' for k in range(4)), "</refset>"]
        ).encode()
        for side, language, word in (("src", "de", "Wort"), ("ref", "en", "word"))
    }
    tar(folder / "dev.tgz", pair("dev/newstest2013.{}", 6) | newest)


def coco_captions(folder: Path) -> None:
    """Two pictures for training, four more for the other splits; each has two captions."""
    folders = {"train2014": [1, 2], "val2014": [3, 4, 5, 6], "test2014": [7], "test2015": [8]}
    karpathy = {1: "train", 2: "train", 3: "val", 4: "test", 5: "test", 6: "restval", 7: "", 8: ""}
    categories = [{"id": k, "name": f"thing {k}", "supercategory": "things"} for k in range(80)]
    annotations, images = {}, []
    for name, numbers in folders.items():
        files = [f"COCO_{name}_{number:012}.jpg" for number in numbers]
        about = [
            {"id": n, "file_name": file, "height": 24, "width": 32} for n, file in zip(numbers, files, strict=True)
        ]
        boxes = [
            {"id": n, "image_id": n, "area": 9.0, "bbox": [1, 2, 3, 3], "category_id": 7, "iscrowd": 0} for n in numbers
        ]
        kind = "image_info" if name.startswith("test") else "instances"
        annotations[f"annotations/{kind}_{name}.json"] = json.dumps(
            {"images": about, "categories": categories, "annotations": boxes}
        )
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for number, file in zip(numbers, files, strict=True):
                archive.writestr(f"{name}/{file}", picture(number))
                captions = [{"sentid": 10 * number + k, "raw": caption(number, k)} for k in range(2)]
                images.append({"filename": file, "split": karpathy[number], "sentences": captions})
    archives: dict[str, Callable[[str], Any]] = {
        "annotations_trainval2014.zip": lambda name: "instances" in name,
        "image_info_test2014.zip": lambda name: "test2014" in name,
        "image_info_test2015.zip": lambda name: "test2015" in name,
    }
    for path, belongs in archives.items():
        with zipfile.ZipFile(folder / path, "w") as archive:
            for name, text in annotations.items():
                if belongs(name):
                    archive.writestr(name, text)
    with zipfile.ZipFile(folder / "caption_datasets.zip", "w") as archive:
        archive.writestr("dataset_coco.json", json.dumps({"images": images}))


def caption(number: int, k: int) -> str:
    """Of letters that all pictures' captions are made of."""
    return f"Picture {'x' * number}, said {'y' * (k + 1)}."


def picture(number: int) -> bytes:
    """A JPEG file of 24 rows and 32 columns, of one color."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), (40 * number, 20, 90)).save(buffer, "JPEG")
    return buffer.getvalue()
