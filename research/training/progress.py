"""Progress of the pack that trains, in the bar of the command."""

from research.tracking.progress import ProgressBar
from research.training.options import TrainingOptions


class PackProgress:
    """Progress of one pack: updates of all trials or, with a time limit, the fraction of the time used."""

    def __init__(self, bar: ProgressBar, training: TrainingOptions, trials: int, step: int, seconds: float) -> None:
        self._bar, self._training, self._trials, self._done = bar, training, trials, 0.0
        self.to(step, seconds)

    def to(self, step: float, seconds: float) -> None:
        """Advance to a step, or to the fraction of the time limit."""
        training = self._training
        self._place = f"step {step}/{training.steps}"
        if training.max_seconds:
            self._place = f"step {step}, {seconds:.0f}/{training.max_seconds:g} s"
            step = training.steps * min(1.0, max(step / training.steps, seconds / training.max_seconds))
        self._bar.advance((step - self._done) * self._trials)
        self._done = step
        self.doing()

    def doing(self, what: str = "") -> None:
        """Show the current activity next to the step."""
        self._bar.doing(f"{self._place}, {what}" if what else self._place)

    def finish(self) -> None:
        self._bar.advance((self._training.steps - self._done) * self._trials)
