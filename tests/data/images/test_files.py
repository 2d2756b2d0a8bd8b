"""Pictures of all modes, and files that are none."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from research.data.images import files
from research.errors import UserError


@pytest.mark.parametrize(
    ("mode", "color", "seen"),
    [
        ("RGB", (255, 0, 0), (255, 0, 0)),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 51), (255, 204, 204)),
        ("LA", (0, 0), (255, 255, 255)),
        ("LA", (0, 255), (0, 0, 0)),
        ("L", 100, (100, 100, 100)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 65535, (255, 255, 255)),
        ("I;16", 257 * 100, (100, 100, 100)),
    ],
)
def test_any_mode_becomes_colors_on_white(mode, color, seen, tmp_path):
    Image.new(mode, (3, 2), color).save(tmp_path / "one.png")
    read = files.load_image(tmp_path / "one.png")
    assert (read.mode, read.size) == ("RGB", (3, 2))
    assert np.all(np.abs(np.asarray(read).astype(int) - seen) <= 1)


def test_a_palette_with_a_transparent_color_is_put_on_white(tmp_path):
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "one.png", transparency=0)
    assert np.asarray(files.load_image(tmp_path / "one.png")).tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_colors_for_print_and_jpg_are_read(tmp_path):
    Image.new("CMYK", (9, 9), (0, 255, 255, 0)).save(tmp_path / "one.jpg")
    red = np.asarray(files.load_image(tmp_path / "one.jpg"))[4, 4]
    assert red[0] > 200 and red[1] < 60 and red[2] < 60


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (30, 10)).save(tmp_path / "one.jpg", exif=exif)
    assert files.load_image(tmp_path / "one.jpg").size == (10, 30)


def broken(folder: Path, kind: str) -> Path:
    path = folder / "one.png"
    Image.effect_noise((40, 40), 50).save(path)
    content = path.read_bytes()
    if kind == "no such file":
        path.unlink()
    elif kind == "an empty file":
        path.write_bytes(b"")
    elif kind == "no image of a known format":
        path.write_text("three eight")
    elif kind == "a truncated file":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "a damaged file":
        path.write_bytes(content[:60] + b"\0" * 40 + content[100:])
    elif kind == "no pixels":
        header = content[12:16] + bytes(4) + content[20:29]  # a width of 0
        path.write_bytes(content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:])
    else:
        path.unlink()
        path.mkdir()
    return path


@pytest.mark.parametrize(
    "kind",
    [
        *("no such file", "an empty file", "no image of a known format", "a truncated file", "a damaged file"),
        *("no pixels", "a folder"),
    ],
)
def test_what_is_no_picture_gives_one_line_that_names_it(kind, tmp_path):
    path = broken(tmp_path, kind)
    with pytest.raises(UserError) as caught:
        files.load_image(path)
    line = str(caught.value)
    assert "\n" not in line and line.startswith(f"{path}: ") and line.count(str(path)) == 1
    assert kind != "no pixels" or "is 0 pixels wide and 40 high" in line
    assert kind not in ("no such file", "an empty file", "no image of a known format") or kind in line


def test_a_side_that_is_too_long_is_refused(tmp_path):
    Image.new("1", (files.MAX_SIDE + 1, 1)).save(tmp_path / "one.png")
    with pytest.raises(UserError, match=r"is 20001 pixels wide and 1 high; must be at most 20000 on each side$"):
        files.load_image(tmp_path / "one.png")


def test_a_damaged_tiff_gives_its_line_alone(tmp_path, capfd, recwarn):
    path = tmp_path / "one.tif"
    noise = np.random.default_rng(0).integers(0, 255, (60, 50, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path, compression="tiff_adobe_deflate")
    content = bytearray(path.read_bytes())
    content[200:600] = bytes(400)
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as an image"):
        files.load_image(path)
    assert capfd.readouterr().err == "" and not recwarn.list
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_what_pillow_logs_of_a_damaged_file_is_not_told_twice(tmp_path, caplog):
    path = tmp_path / "one.tif"
    Image.new("RGB", (4, 4)).save(path, tiffinfo={}, compression="raw")
    content = bytearray(path.read_bytes())
    place = content.index(b"\x15\x01\x03\x00\x01\x00\x00\x00\x03\x00")  # samples of a pixel: 3
    content[place + 8 : place + 10] = (2048).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(UserError):
        files.load_image(path)
    assert not caplog.records


def test_pixels_that_are_no_numbers_are_refused(tmp_path):
    Image.fromarray(np.array([[0.5, np.nan], [1, 2]], np.float32)).save(tmp_path / "one.tiff")
    with pytest.raises(UserError, match="pixels that are no finite numbers"):
        files.load_image(tmp_path / "one.tiff")


@pytest.mark.parametrize("most", [255, 65535, 2**31 - 1])
def test_whole_numbers_of_32_bits_are_scaled_by_the_range_that_holds_them(most, tmp_path):
    Image.fromarray(np.array([[0, most // 5, most]], np.int32)).save(tmp_path / "one.tiff")
    assert np.asarray(files.load_image(tmp_path / "one.tiff"))[0, :, 0].tolist() == [0, 51, 255]


def test_whole_numbers_of_16_bits_are_scaled_by_their_range_and_negative_ones_refused(tmp_path):
    Image.fromarray(np.array([[0, 257, 514]], np.uint16)).save(tmp_path / "one.png")
    assert np.asarray(files.load_image(tmp_path / "one.png"))[0, :, 0].tolist() == [0, 1, 2]
    Image.fromarray(np.array([[-1, 255]], np.int32)).save(tmp_path / "one.tiff")
    with pytest.raises(UserError, match="pixels below 0"):
        files.load_image(tmp_path / "one.tiff")


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.int64])
def test_arrays_of_whole_numbers_are_scaled_by_their_range(kind):
    most = np.iinfo(np.int32 if kind == np.int64 else kind).max
    for shape in ((1, 3), (1, 3, 1)):
        array = np.array([0, most // 5, most], kind).reshape(shape)
        assert np.asarray(files.image_of(np.repeat(array, 2, axis=0)))[1, :, 0].tolist() == [0, 51, 255]


def test_a_signed_tiff_of_16_bits_is_scaled_by_its_range(tmp_path):
    path = tmp_path / "one.tiff"
    Image.fromarray(np.array([[0, 257, 13107, 32767]], np.uint16)).save(path, tiffinfo={339: 2})
    for image in (files.load_image(path), files.decode_image(path.read_bytes())):
        assert np.asarray(image)[0, :, 0].tolist() == [0, 2, 102, 255]


def test_the_most_pixels_are_told(tmp_path):
    path = tmp_path / "large.png"
    Image.new("1", (15_000, 15_000)).save(path)
    with pytest.raises(UserError, match=r"large\.png: has too many pixels; must have at most 89,478,485$"):
        files.load_image(path)


@pytest.mark.parametrize("size", [(8, 4), (4, 8), (80, 40), (1, 500)])
def test_a_square_holds_all_of_a_picture_in_the_middle_on_white(size):
    square = files.fit_square(Image.new("RGB", size, "black"), 16)
    assert square.shape == (16, 16, 3)
    width, height = (max(1, round(16 * side / max(size))) for side in size)
    dark = square[..., 0] < 128
    assert (dark.any(axis=0).sum(), dark.any(axis=1).sum()) == (width, height)
    assert dark[(16 - height) // 2, (16 - width) // 2] and square[dark].max() == 0 and square[~dark].min() == 255
