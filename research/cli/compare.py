"""`compare`: some runs side by side."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from research.cli.parser import parse_command, words_of
from research.errors import UserError, visible
from research.options import require_image


@dataclass(frozen=True)
class Compare:
    """Print what differs between runs: config keys, final metrics, metrics during training."""

    runs: tuple[Path, ...]
    """Run directories, such as runs/attention/TRIAL, or directories with runs in them: 2 to 20 runs."""
    metrics: str = ""
    """Final metrics, with commas between them; * stands for any text. By default those of test and validation examples,
    the training loss, the time of training and the number of parameters."""
    curves: str = ""
    """Metrics during training, as in --metrics; by default train/loss and two of validation examples."""
    figure: Path | None = None
    """File .png, .svg or .pdf for these curves, and for norms of the gradient where runs have recorded them."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("RUNS must be given: at least two runs, or a directory with runs in it")
        if self.figure:
            require_image("--figure", self.figure)


def run(args: Sequence[str]) -> None:
    options = parse_command(Compare, args, "compare")
    from research.reporting import formats  # pandas: `--help` need not wait for it
    from research.reporting.side_by_side import DEFAULT_CURVES, SHOWN, SideBySide

    compared = SideBySide(options.runs)
    for fault in compared.faults:
        print(visible(f"left out: {fault}"), file=sys.stderr)
    metrics = compared.find_metrics(words_of(options.metrics), SHOWN)
    curves = compared.find_metrics(words_of(options.curves), DEFAULT_CURVES)
    curves = curves if options.curves else curves[:3]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    texts = [formats.render(table, "terminal", width).strip() for table in compared.tables(metrics, curves)]
    print("\n\n".join(texts), end="\n\n", flush=True)
    if options.figure:
        from research.reporting.figures import draw_overlay  # matplotlib, after the tables are printed

        drawn = {metric: curve for metric in curves if len(curve := compared.curve(metric))}
        profiles = {
            "initial ‖∂L/∂hₜ‖, relative to the last": compared.profiles("first"),
            "final ‖∂L/∂hₜ‖, relative to the last": compared.profiles("last"),
        }
        profiles = {title: lines for title, lines in profiles.items() if lines}
        if not drawn and not profiles:
            raise UserError("--figure: the runs have no record of these metrics, and none of the gradient")
        draw_overlay(drawn, profiles, dict(zip(compared.numbers, compared.labels, strict=True)), options.figure)
        print(visible(f"figure    {options.figure}"))
