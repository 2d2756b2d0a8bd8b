"""`predict`: what a trained model predicts for inputs."""

from collections.abc import Sequence

from research.cli.parser import parse_command
from research.inference.options import PredictOptions


def run(args: Sequence[str]) -> int:
    """Print what the model of a run predicts for each input, and return the exit code."""
    options = parse_command(PredictOptions, args, "predict")
    from research.inference.predict import predict  # `--help` does not need it

    return predict(options)
