from collections.abc import Callable, Iterator
from typing import Any

import pytest

from research.options import static_key
from research.training.pack import Pack


@pytest.fixture(scope="module")
def shared_programs() -> Iterator[None]:
    """What several trainings have in common is traced and compiled once: for tests of what surrounds the programs."""
    programs: dict[Any, Callable] = {}
    compile_anew = Pack._compile

    def compile_once(pack: Pack, function: Callable, *rest: Any, **options: Any) -> Callable:
        key = function.__name__, static_key(pack.program.options), pack.mesh
        if key not in programs:
            programs[key] = compile_anew(pack, function, *rest, **options)
        return programs[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pack, "_compile", compile_once)
        yield
