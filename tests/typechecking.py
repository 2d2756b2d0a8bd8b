"""The type checker of the import hook: beartype, for which an `int` may stand where a `float` is asked for."""

from beartype import BeartypeConf, beartype

typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))
