"""How the trials of a sweep share compiled programs and processes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from research.training.pack import PackCache


@dataclass(frozen=True)
class Sharing:
    """How the trials of a sweep are trained, which may need several calls and several processes."""

    packs: PackCache = field(default_factory=PackCache)
    """Compiled packs, for the next call."""
    pack_size: int = 0
    """Largest number of trials of a pack; 0: no limit."""
    pause: Mapping[str, int] = field(default_factory=dict)
    """Step at which trials pause, by name; a record must end there."""
    peers: Mapping[str, int] = field(default_factory=dict)
    """Number of trials of the sweep that one program trains, by name, for trials whose peers train elsewhere."""
    leave_busy: bool = False
    """Leave the trials that another process trains to it, instead of refusing to start."""
    enough: Callable[[], bool] = lambda: False
    """Returns whether no more packs need to be started."""
    standing: Callable[[], str] = lambda: ""
    """Returns how the whole sweep stands, for the progress bar."""
