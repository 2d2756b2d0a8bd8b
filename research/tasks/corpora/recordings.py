"""What the builders of speech corpora give to the tasks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int16


@dataclass(frozen=True)
class Recording:
    """One utterance."""

    sound: Int16[np.ndarray, " N"]
    rate: int
    """Samples a second."""
    text: str
    """What is said."""
    speaker: str
