"""Errors that a person reads: one clear message, never a traceback."""


class RekindleError(Exception):
    """Something failed for a reason that a person can act on; printed on stderr, exit status 1."""


class InputError(RekindleError):
    """Input that cannot be used: the message names file, line and field, and what was expected."""
