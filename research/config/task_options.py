"""What the checks of a trial need to know of every task."""

from typing import ClassVar


class TaskOptions:
    """The base of all options of tasks."""

    decodes: ClassVar[bool] = False
    """Whether the target is a sequence, so that there is a decoder, with attention and teacher forcing."""
    embedded: ClassVar[bool] = False
    """Whether the input is of tokens, which are embedded, and not of features."""
    lengths_differ: ClassVar[bool] = False
    """Whether inputs differ in length, so that a time step is not equally far from the loss in all of them."""
    valued: ClassVar[bool] = False
    """Whether the target is a number, so that the model gives no probabilities."""
    labelled: ClassVar[bool] = False
    """Whether the target is a class for each step of the input, so that nothing may shorten it."""
