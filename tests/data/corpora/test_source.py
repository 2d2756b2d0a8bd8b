"""What is prepared is read without TensorFlow and without any stand-in."""

import importlib.util
import sys

import numpy as np
import pytest

from research.data.corpora.source import Source
from research.errors import UserError
from tests.data.corpora import archives
from tests.data.corpora.archives import prepare


def test_preparing_asks_for_tensorflow_and_reading_does_not(tmp_path, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        manual = archives.manual_folder(tmp_path, patch)
        archives.librispeech(manual)
        archives.speech_commands(manual)
        folders = prepare("librispeech", "lazy_decode"), prepare("speech_commands")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert (prepare("librispeech", "lazy_decode"), prepare("speech_commands")) == folders
    with pytest.raises(UserError, match="^wmt14_translate: preparing it needs TensorFlow; .*requirements-tfds.txt"):
        prepare("wmt14_translate")
    assert Source(str(folders[0]), "dev_clean", ("speech",))[0]["speech"].startswith(b"fLaC")
    assert Source(str(folders[1]), "train")[0]["audio"].dtype == np.int16
    assert "tensorflow" not in sys.modules
