"""Whose fault an error is, said in its type. Knows nothing of transports or logs."""

from collections.abc import Sequence


class PaletteError(Exception):
    """Root of the errors that Palette raises on purpose; anything else is a bug."""


class BadMessage(PaletteError):
    """The message is at fault: it becomes a dead letter with `code`, and is never tried again by itself.

    `code` is a short snake_case word (a metric label); `message` says what is wrong without echoing any value.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Unavailable(PaletteError):
    """A dependency is away: try again, bounded. `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Misconfigured(PaletteError):
    """The process cannot start as configured. Carries every problem at once, each saying what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


EXIT_DEPENDENCY_AWAY = 75
"""Exit code of a process that ends because a dependency is away (EX_TEMPFAIL); the supervisor does not count it."""

EXIT_MISCONFIGURED = 78
"""Exit code of a process that refuses to start as configured (EX_CONFIG); restarting cannot help."""
