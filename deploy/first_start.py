"""Makes the secrets of an installation at its first start, each in the volume where it is read. Doing it again changes
nothing. A lost API key is made anew by deleting `api-keys` and the `.key` files and starting again.
"""

import os
import secrets
import sys
from pathlib import Path

from services.kit.keys import new_key

API_KEYS = "api-keys"
"""Digests of the keys that the services admit."""
OWNERS = ("operator", "notify")
"""Who has a key: the person who set this up, and notify, which asks the API what customers said."""


def main(keys: Path, database: Path) -> None:
    """Fills the two folders: keys of our own services, and the password that the database is started with."""
    if not (keys / API_KEYS).exists():
        lines = []
        for owner in OWNERS:
            key, line = new_key(owner)
            _write(keys / f"{owner}.key", key + "\n", mode=0o600)
            lines.append(line)
        _write(keys / API_KEYS, "\n".join(lines) + "\n", mode=0o600)  # last: it says that the others are complete
    if not (database / "password").exists():
        password = secrets.token_urlsafe(32)
        _write(keys / "pgpass", f"*:*:*:*:{password}\n", mode=0o600)
        database.chmod(0o755)
        _write(database / "password", password, mode=0o444)  # the database runs as another user
    sys.stdout.write(
        "The keys of this installation are in place. Yours, for the page and the API:\n"
        f"  docker compose run --rm --no-deps first-start cat {keys / 'operator.key'}\n"
    )


def _write(path: Path, text: str, *, mode: int) -> None:
    """Whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(file, "w", encoding="ascii") as sink:
        sink.write(text)
        sink.flush()
        os.fsync(sink.fileno())
    partial.chmod(mode)
    partial.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
