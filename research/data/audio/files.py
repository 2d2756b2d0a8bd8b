"""Sound files to arrays: wav, flac or ogg of any rate, in one channel or more, of which the mean is taken.

Samples are floats of which full scale is 1. What cannot be speech is refused in one line that names the file and the
fault: no sound at all, silence, samples that are no numbers, and what is too short or too long.
"""

import os
import re
from io import FileIO
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float32, Int16

from research.errors import UserError

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG")
RATES = (4000, 192_000)
"""Samples a second that a file may have."""
SHORTEST, LONGEST = 0.05, 60.0
"""Seconds that a file may last."""
FAINTEST = 1e-4
"""The least amplitude that is no silence: -80 dB of full scale."""
LOUDEST = 1e6
"""The largest amplitude, in full scales: above that of 16 bits that were taken for floats."""
OUT_OF_REACH = 2**31 - 2**16
UNTOLD = 2**62
"""What libsndfile takes for the length of a FLAC stream whose header does not say it, or more."""
OGG_PAGE = 27 + 255 + 255 * 255
"""Most bytes of a page."""

Sound = Float32[np.ndarray, " N"]


def read(path: str | Path, rate: int) -> Sound:
    """The sound of a file, at so many samples a second.

    Raises:
        UserError: if it is no file of sound, damaged, silent, shorter than 0.05 s or longer than 60 s.
    """
    try:
        with Path(path).open("rb", buffering=0) as file:
            if not file.read(1):
                raise UserError(f"{path}: is empty; must be a wav, flac or ogg file")
            file.seek(0)
            with _opened(file) as opened:
                samples = _samples(path, opened)
                found, container = opened.samplerate, opened.format
            if container == "OGG" and _without_last_page(file):
                raise _cut_off(path, len(samples) / found)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; must be a wav, flac or ogg file") from error
    except soundfile.LibsndfileError as error:
        raise UserError(f"{path}: {_fault(error)}; must be a wav, flac or ogg file") from error
    if not np.all(np.isfinite(samples)):
        raise UserError(f"{path}: has samples that are no finite numbers; all must be")
    if np.max(np.abs(samples)) > LOUDEST:
        raise UserError(f"{path}: has samples beyond {LOUDEST:g} times full scale; must be within")
    mono = np.mean(samples, axis=1)
    if np.max(np.abs(mono - np.mean(mono))) < FAINTEST:
        raise UserError(f"{path}: is silent; its amplitude must reach {FAINTEST:g} of full scale")
    return resampled(mono, found, rate)


def resampled(
    sound: Float32[np.ndarray, " N"] | Int16[np.ndarray, " N"], rate: int, wanted: int
) -> Float32[np.ndarray, " R"]:
    """The same sound at another rate, as floats; band-limited, so that nothing is folded back."""
    floats = sound.astype(np.float32) / np.float32(32768) if sound.dtype == np.int16 else sound
    return np.asarray(floats if rate == wanted else soxr.resample(floats, rate, wanted), np.float32)


class _Stream(soundfile.SoundFile):
    """A file that is read from its beginning to its end only."""

    def seekable(self) -> bool:
        return False


def _opened(file: FileIO) -> soundfile.SoundFile:
    """The sound, by the file's descriptor: where libsndfile reads by Python's functions, their errors are printed."""
    opened = soundfile.SoundFile(file.fileno(), closefd=False)
    if opened.frames < UNTOLD:
        return opened
    opened.close()
    file.seek(0)
    return _Stream(file.fileno(), closefd=False)


def _samples(path: str | Path, opened: soundfile.SoundFile) -> np.ndarray:
    """All samples, [N, channels], of a file whose header promises what is allowed."""
    rate, promised = opened.samplerate, opened.frames
    if opened.format not in FORMATS:
        raise UserError(f"{path}: is of the format {opened.format}; must be a wav, flac or ogg file")
    if not RATES[0] <= rate <= RATES[1]:
        raise UserError(f"{path}: has {rate} samples a second; must be between {RATES[0]} and {RATES[1]}")
    if promised >= UNTOLD:
        promised = 0
    most = int(LONGEST * rate)
    samples = opened.read(most + 1, dtype="float32", always_2d=True) if promised <= most else None
    if samples is None or len(samples) > most:
        long = f"lasts {promised / rate:.0f} s" if promised > most else "lasts longer"
        raise UserError(f"{path}: {long}; must be at most {LONGEST:g} s: cut it into sentences")
    if not len(samples):
        raise UserError(f"{path}: holds no samples; must last at least {SHORTEST:g} s")
    if len(samples) < promised or _cut(opened):
        raise _cut_off(path, len(samples) / rate)
    if len(samples) < SHORTEST * rate:
        raise UserError(f"{path}: lasts {len(samples) / rate:.3f} s; must be at least {SHORTEST:g} s")
    return samples


def _cut(opened: soundfile.SoundFile) -> bool:
    """Whether a wav file holds fewer samples than its header says; libsndfile corrects that in silence.

    A stream's header is written before its length is known, and names a length that is out of reach.
    """
    found = re.search(r"^data : (\d+) \(should be (\d+)\)", opened.extra_info, re.MULTILINE)
    return found is not None and int(found[2]) < int(found[1]) < OUT_OF_REACH


def _without_last_page(file: FileIO) -> bool:
    """Whether an ogg file does not end in a whole page that is marked as the last; libsndfile reads on in silence."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - OGG_PAGE))
    _, _, page = file.read().rpartition(b"OggS")
    count = page[22] if len(page) > 22 else 0  # of segments, whose sizes follow
    return len(page) < 23 + count + sum(page[23 : 23 + count]) or not page[1] & 4


def _cut_off(path: str | Path, seconds: float) -> UserError:
    return UserError(f"{path}: is cut off after {seconds:.2f} s; must be whole")


def _fault(error: soundfile.LibsndfileError) -> str:
    reason = error.error_string.strip().rstrip(".").removeprefix("Error : ")
    if "SF_INFO" in reason:  # what libsndfile calls a header with a rate of 0 or beyond all bounds
        return f"its header gives no rate between {RATES[0]} and {RATES[1]} samples a second"
    return "is damaged or cut off" + f" ({reason})" * bool(reason) if "decoder" in reason else f"is no sound ({reason})"
