"""The one error of the launcher: why it cannot go on, in words for the person at the terminal.

Knows nothing of what was tried; whoever raises it says what happened and what to do about it.
"""

from services.contracts.errors import PaletteError


class CannotStart(PaletteError):
    """Carries one plain sentence (what is wrong, what to do); it is printed as it stands, without a traceback."""
