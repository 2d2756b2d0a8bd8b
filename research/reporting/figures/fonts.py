"""Fonts for text of any script: what the figures' usual font lacks is looked for among the fonts of the machine."""

import contextlib
import functools
import logging

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

USUAL = "DejaVu Sans"
"""Comes with matplotlib."""
PLACEHOLDERS = "Last Resort"
"""Comes with matplotlib as well, and has a box for everything."""

logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it narrates that such a font has no bold face


def families(text: str) -> list[str]:
    """Return the fonts that together have as many of the characters as any can, the usual one first."""
    chosen, missing = [USUAL], {char for char in text if ord(char) not in _codes(font_manager.findfont(USUAL))}
    fonts = [font for font in font_manager.fontManager.ttflist if not font.name.startswith(PLACEHOLDERS)]
    for font in sorted(fonts, key=lambda font: (font.style != "normal", font.weight != 400, font.name)):
        has = {char for char in missing if ord(char) in _codes(font.fname)}
        chosen += [font.name] if has else []
        missing -= has
    return chosen


def drawable(text: str, families: list[str]) -> str:
    """Return the text with the code point of each character that none of the fonts has: U+3105."""
    codes = frozenset().union(*(_codes(font_manager.findfont(family)) for family in families))
    return "".join(char if ord(char) in codes else f"U+{ord(char):04X}" for char in text)


@functools.cache
def _codes(path: str) -> frozenset[int]:
    """Return the code points of a font file; none if it cannot be read."""
    with contextlib.suppress(RuntimeError, OSError):
        return frozenset(FT2Font(path).get_charmap())
    return frozenset()
