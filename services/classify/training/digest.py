"""What a text is called where its words are not kept."""

import hashlib

_DIGITS = 16


def digest(text: str) -> str:
    """The first digits of its SHA-256, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
