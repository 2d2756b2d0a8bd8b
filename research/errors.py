"""How a command ends before its time: a mistake of the user, shown as one line, exit code 2; or a signal."""


class UserError(Exception):
    """What is wrong, where, and what is allowed, in one line."""


class Stopped(KeyboardInterrupt):
    """A signal has ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number
        """As shells report it: 130 for SIGINT (Ctrl-C), 143 for SIGTERM, 129 for SIGHUP."""
