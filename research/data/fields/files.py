"""Values that are files: a path in a column, or the bytes of a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.data.fields.field_options import InputOptions, as_text, scalar


@dataclass(frozen=True)
class FileInput(InputOptions):
    """A file for each example."""

    folder: str = ""
    """Folder that the paths start from, such as wavs; it may be absolute. Empty: that of the source."""
    suffix: str = ""
    """Text behind each path in the column, such as .wav."""

    def path(self, value: Any, folder: Path) -> str:
        """Return the path of a file that exists.

        Raises:
            ValueError: if there is no such file, or it is outside of the folder.
        """
        top = (folder / self.folder).resolve()
        path = top / (as_text(scalar(value)).strip() + self.suffix)
        if not path.resolve().is_relative_to(top):
            raise ValueError(f"is {str(value)!r:.60}, outside of {top}; must be within (task.input.folder changes it)")
        if not path.is_file():
            raise ValueError(f"is {str(value)!r:.60}, and {path} is no file; must be (task.input.folder, .suffix)")
        return str(path)
