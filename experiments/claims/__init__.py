"""Published results, one file for each, that `research verdicts` reruns at the scale of this project and judges."""
