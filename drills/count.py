"""What a drill counts."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Count:
    """Cases of one kind, by how they ended."""

    name: str
    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """What must not happen, with what led to it."""

    def add(self, end: str, fault: str = "") -> None:
        """Count a case; `fault` says what was wrong with it."""
        self.ends["FAULT" if fault else end] += 1
        if fault:
            self.faults.append(fault)

    def line(self) -> str:
        """Return a row of the table."""
        return (
            f"{self.name:<24} {self.ends.total():>5}  {', '.join(f'{count} {end}' for end, count in self.ends.items())}"
        )
