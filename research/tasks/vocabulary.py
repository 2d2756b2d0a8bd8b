"""Ids that mean the same in every token task; the symbols of a vocabulary follow from `FIRST_SYMBOL` on."""

PAD = 0
BEGIN = 1
END = 2
FIRST_SYMBOL = 3
