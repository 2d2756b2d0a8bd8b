"""The terminal as one rich console on stderr: a bar that starts while another is shown is put below it, not over it."""

from rich.console import Console

STDERR = Console(stderr=True)
