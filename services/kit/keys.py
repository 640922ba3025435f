"""API keys: made, hashed and recognised. A keys file has a line per key: name, blank, SHA-256; `#` for comments.

Keys carry 256 random bits, so a plain hash is enough: there is nothing to guess.
"""

import hashlib
import hmac
import secrets
from pathlib import Path

from services.contracts.errors import Misconfigured

_PREFIX = "palette_"


def new_key(name: str) -> tuple[str, str]:
    """A new key and the line that admits it."""
    key = _PREFIX + secrets.token_urlsafe(32)
    return key, f"{name} {_digest(key)}"


class Keys:
    """The keys that are admitted."""

    def __init__(self, digests: dict[str, str]) -> None:
        self._digests = digests

    @classmethod
    def read(cls, path: Path) -> "Keys":
        """Raises Misconfigured when the file cannot be read, holds no key, or a line is not `name sha256`."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured([f"PALETTE_API_KEYS_FILE: {path} cannot be read ({type(error).__name__})."]) from None
        digests: dict[str, str] = {}
        problems = []
        for number, line in enumerate(lines, start=1):
            words = line.split("#", 1)[0].split()
            if not words:
                continue
            if len(words) != 2 or len(words[1]) != 64:
                problems.append(
                    f"{path.name}:{number}: a line is `name sha256-of-the-key`; make one with `palette keys new NAME`."
                )
                continue
            digests[words[1].lower()] = words[0]
        if not digests and not problems:
            problems.append(f"{path.name} holds no key; make one with `palette keys new NAME`.")
        if problems:
            raise Misconfigured(problems)
        return cls(digests)

    def owner(self, key: str) -> str | None:
        """Whose key that is."""
        digest = _digest(key)
        found = None
        for known, name in self._digests.items():
            if hmac.compare_digest(known, digest):
                found = name
        return found


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
