"""The attention of a prediction, as a figure or the interactive page shows it."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from research.data.field import Axis
from research.inference.answers import Texts
from research.inference.restore import TrainedModel

if TYPE_CHECKING:
    from research.reporting.figures.alignment import Alignment


def alignment_of(
    model: TrainedModel, text: Texts, weights: Float[np.ndarray, "U S"], axis: Axis, steps: int, title: str
) -> "Alignment":
    """Return what is shown of the best output's attention.

    The weights are those at each token, over the encoder's states; the axis goes along the input, which has so many
    steps.
    """
    from research.reporting.figures.alignment import Alignment  # matplotlib, only where alignments are shown

    edges = np.minimum(np.arange(weights.shape[1] + 1) * model.config.model.shortening, steps)
    return Alignment(
        weights=weights,
        predicted=text.labels(),
        edges=edges * (1.0 if axis.extent is None else axis.extent / steps),
        name=axis.name,
        title=title,
        labels=axis.labels,
        picture=axis.picture,
        kind=model.processor.kind if model.processor else "text",
        heights=axis.heights,
    )
