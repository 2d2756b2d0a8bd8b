"""Audio files to arrays: wav, flac, ogg or mp3 of any rate; the mean of all channels.

Samples are floats; full scale is 1. What cannot be speech is refused in one line that names the file and the fault: an
empty file, silence, channels that cancel one another, samples that are not finite, and what is too short or too long.
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

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3")
RATES = (4000, 192_000)
"""Samples a second that a file may have."""
MIN_SECONDS, MAX_SECONDS = 0.05, 60.0
"""Duration that a file may have."""
MIN_AMPLITUDE = 1e-3
"""Least amplitude, -60 dB of full scale: of fainter speech, most is below the floor of the features."""
MIN_COHERENCE = 0.1
"""Least power of the mean of N channels, over the mean of their powers / N: 1 if they are unrelated, N if equal."""
MAX_AMPLITUDE = 1e6
"""Largest amplitude, in full scales: above that of 16 bits that were taken for floats."""
STREAM_SIZE = 2**31 - 2**16
"""Size in the header of a wav file that was written before its length was known, or more."""
UNKNOWN_FRAMES = 2**62
"""What libsndfile takes for the length of a FLAC stream whose header does not say it, or more."""
MP3_FRAME = 576
"""An mp3 frame has this many samples or twice as many: reading that ends within one ends at a wrong estimate."""
OGG_PAGE = 27 + 255 + 255 * 255
"""Most bytes of a page."""
ALLOWED = "must be a wav, flac, ogg or mp3 file"

Audio = Float32[np.ndarray, " N"]


def load_audio(path: str | Path, sample_rate: int) -> Audio:
    """Return the samples of a file at a sample rate.

    Raises:
        UserError: if it is no audio file, damaged, too faint, shorter than 0.05 s or longer than 60 s.
    """
    try:
        with Path(path).open("rb", buffering=0) as file:
            if not file.read(1):
                raise UserError(f"{path}: is empty; {ALLOWED}")
            file.seek(0)
            with _open(file) as opened:
                samples = _samples(path, opened)
                file_rate, container = opened.samplerate, opened.format
            if container == "OGG" and _lacks_last_page(file):
                raise _cut_off(path, len(samples) / file_rate)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; {ALLOWED}") from error
    except soundfile.LibsndfileError as error:
        raise UserError(f"{path}: {_fault(error)}; {ALLOWED}") from error
    if not np.all(np.isfinite(samples)):
        raise UserError(f"{path}: has samples that are no finite numbers; all must be")
    if np.max(np.abs(samples)) > MAX_AMPLITUDE:
        raise UserError(f"{path}: has samples beyond {MAX_AMPLITUDE:g} times full scale; must be within")
    mono, centered = np.mean(samples, axis=1), samples - np.mean(samples, axis=0)
    coherent = np.var(mono) >= MIN_COHERENCE * np.mean(np.square(centered)) / samples.shape[1]
    if np.max(np.abs(centered)) >= MIN_AMPLITUDE and not coherent:
        raise UserError(f"{path}: its channels cancel one another (opposite phase); must be in phase, or one channel")
    amplitude = np.max(np.abs(mono - np.mean(mono)))
    if amplitude < MIN_AMPLITUDE:
        of = " in the mean of its channels" * (samples.shape[1] > 1)
        fault = f"has an amplitude of {amplitude:.2g} of full scale{of}"
        raise UserError(f"{path}: {fault}; must be at least {MIN_AMPLITUDE:g}")
    return resample(mono, file_rate, sample_rate)


def duration(path: str | Path) -> float:
    """Return the seconds of a file, of a long one of unknown length just more than is allowed.

    Raises:
        OSError, soundfile.LibsndfileError: if it cannot be read.
    """
    with Path(path).open("rb", buffering=0) as file, _open(file) as opened:
        rate = opened.samplerate
        unknown = isinstance(opened, _Stream)
        return (len(opened.read(int(MAX_SECONDS * rate) + 1)) if unknown else opened.frames) / rate


def resample(
    samples: Float32[np.ndarray, " N"] | Int16[np.ndarray, " N"], rate: int, new_rate: int
) -> Float32[np.ndarray, " R"]:
    """Return the same audio at another rate, as floats; band-limited, so that nothing is folded back.

    Another rate takes away the mean, which would be a click at each end.
    """
    floats = samples.astype(np.float32) / np.float32(32768) if samples.dtype == np.int16 else samples
    return floats if rate == new_rate else soxr.resample(floats - np.mean(floats), rate, new_rate)


class _Stream(soundfile.SoundFile):
    """A file of unknown length, read from its beginning to its end only."""

    def seekable(self) -> bool:
        return False


def _open(file: FileIO) -> soundfile.SoundFile:
    """Open a file by its descriptor: where libsndfile reads by Python's functions, their errors are printed."""
    estimated = not _tells_frames(file)
    opened = soundfile.SoundFile(file.fileno(), closefd=False)
    if opened.frames < UNKNOWN_FRAMES and not (estimated and opened.format == "MP3"):
        return opened
    opened.close()
    file.seek(0)
    return _Stream(file.fileno(), closefd=False)


def _tells_frames(file: FileIO) -> bool:
    """Tell whether an mp3 file begins with the number of its frames; libsndfile estimates it otherwise."""
    head = file.read(10)
    tag = 10 + sum(byte << 7 * place for place, byte in enumerate(head[:5:-1])) if head.startswith(b"ID3") else 0
    file.seek(tag)
    first_frame = file.read(200)
    file.seek(0)
    return b"Xing" in first_frame or b"Info" in first_frame


def _samples(path: str | Path, opened: soundfile.SoundFile) -> np.ndarray:
    """Return all samples, [N, channels], of a file whose header promises what is allowed."""
    rate, promised = opened.samplerate, 0 if isinstance(opened, _Stream) else opened.frames
    if opened.format not in FORMATS:
        raise UserError(f"{path}: is of the format {opened.format}; {ALLOWED}")
    if not RATES[0] <= rate <= RATES[1]:
        raise UserError(f"{path}: has {rate} samples a second; must be between {RATES[0]} and {RATES[1]}")
    most = int(MAX_SECONDS * rate)
    samples = opened.read(most + 1, dtype="float32", always_2d=True) if promised <= most else None
    if samples is None or len(samples) > most:
        duration = f"lasts {promised / rate:.0f} s" if promised > most else "lasts longer"
        raise UserError(f"{path}: {duration}; must be at most {MAX_SECONDS:g} s: cut it into sentences")
    if not len(samples):
        raise UserError(f"{path}: holds no samples; must last at least {MIN_SECONDS:g} s")
    if not promised and len(samples) == opened.frames and opened.frames % MP3_FRAME:
        raise UserError(f"{path}: is an mp3 file of a variable bit rate without its length; must have it (Xing header)")
    if len(samples) < promised or _is_cut(opened):
        raise _cut_off(path, len(samples) / rate)
    if len(samples) < MIN_SECONDS * rate:
        raise UserError(f"{path}: lasts {len(samples) / rate:.3f} s; must be at least {MIN_SECONDS:g} s")
    return samples


def _is_cut(opened: soundfile.SoundFile) -> bool:
    """Tell whether a wav file holds fewer samples than its header says; libsndfile corrects that silently.

    A stream's header is written before its length is known, and names a length of `STREAM_SIZE` or more.
    """
    match = re.search(r"^data : (\d+) \(should be (\d+)\)", opened.extra_info, re.MULTILINE)
    return match is not None and int(match[2]) < int(match[1]) < STREAM_SIZE


def _lacks_last_page(file: FileIO) -> bool:
    """Tell whether an ogg file does not end in a whole page marked as the last; libsndfile reads on silently."""
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
