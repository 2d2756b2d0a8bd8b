"""The one exception for mistakes that a user can make: shown as one line, exit code 2."""


class UserError(Exception):
    """What is wrong, where, and what is allowed, in one line."""
