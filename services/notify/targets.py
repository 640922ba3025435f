"""The targets that teams are told through, checked with file, line and a way out. Touches no network.

Secrets are named in the file and found in the environment or in files of their own; a secret's value is in no message.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from services.contracts.yamlfile import FileProblem, Marked, PolicyRefused, load_marked, schema_problems

FILE = "targets.yaml"
SCHEMA = "targets.json"
_SHORTEST_SECRET_BYTES = 24  # Standard Webhooks asks for 24 to 64 random bytes
_MAKE_ONE = "Make one with `openssl rand -base64 32` and put `whsec_` before it."

Kind = Literal["webhook", "jsonlines"]
ReadFile = Callable[[str], str]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One place to tell. `secrets` sign, the newest first; they are kept out of `repr` by `shown`."""

    name: str
    kind: Kind
    url: str = ""
    secrets: tuple[str, ...] = ()
    allow_private: bool = False
    verbatims: bool = True
    timeout_seconds: float = 10.0
    give_up_after_hours: float = 24.0

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {self.kind!r})"

    @property
    def fingerprint(self) -> str:
        """What has to change before a receiver that said it is gone is asked again."""
        return f"{self.kind} {self.url}"


def load_targets(
    text: str, *, environment: Mapping[str, str], read_file: ReadFile, allow_private: bool = False
) -> dict[str, Target]:
    """All targets by name. `allow_private` allows it to all. Raises PolicyRefused, all problems at once."""
    marked = load_marked(text, file=FILE)
    problems = schema_problems(marked, SCHEMA)
    if problems:
        raise PolicyRefused(problems)
    found: dict[str, Target] = {}
    for index, entry in enumerate(marked.data["targets"]):
        reader = _Entry(marked, index, entry, environment, read_file)
        target = reader.target(allow_private=allow_private)
        if target.name in found:
            reader.wrong("name", f"Two targets are called {target.name}.", "Names are unique.")
        found[target.name] = target
        problems += reader.problems
    if problems:
        raise PolicyRefused(problems)
    return found


class _Entry:
    """One entry of the list while it is checked."""

    def __init__(
        self, marked: Marked, index: int, entry: dict[str, Any], environment: Mapping[str, str], read_file: ReadFile
    ) -> None:
        self.problems: list[FileProblem] = []
        self._marked = marked
        self._index = index
        self._entry = entry
        self._environment = environment
        self._read_file = read_file

    def wrong(self, key: str, message: str, suggestion: str = "") -> None:
        self.problems.append(self._marked.problem(("targets", self._index, key), message, suggestion=suggestion))

    def target(self, *, allow_private: bool) -> Target:
        entry = self._entry
        private = allow_private or bool(entry.get("allow_private", False))
        secrets: tuple[str, ...] = ()
        if entry["kind"] == "webhook":
            self._check_url(entry.get("url"), private=private)
            secrets = self._secrets()
        else:
            for key in ("url", "secret", "previous_secret", "allow_private", "verbatims", "timeout_seconds"):
                if key in entry:
                    self.wrong(key, f"`{key}` belongs to a webhook, and {entry['name']} is a file.", "Leave it out.")
        return Target(
            name=entry["name"],
            kind=entry["kind"],
            url=entry.get("url", ""),
            secrets=secrets,
            allow_private=private,
            # a file is kept, and customers' texts are kept in one place only
            verbatims=entry["kind"] == "webhook" and bool(entry.get("verbatims", True)),
            timeout_seconds=float(entry.get("timeout_seconds", 10.0)),
            give_up_after_hours=float(entry.get("give_up_after_hours", 24.0)),
        )

    def _check_url(self, url: str | None, *, private: bool) -> None:
        if not url:
            self.wrong("name", "A webhook needs a `url`.")
            return
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            self.wrong("url", "This is not a URL.")
            return
        if parts.scheme not in {"https", "http"} or not host:
            self.wrong("url", "A webhook's `url` begins with https:// and names a host.")
        elif parts.scheme == "http" and not private:
            self.wrong(
                "url", "Over http anybody on the way can read the message.", "Use https, or say `allow_private: true`."
            )
        if parts.username is not None or parts.password is not None:
            self.wrong("url", "The `url` holds a user name or password.", "Leave it out; messages are signed instead.")
        if parts.fragment:
            self.wrong("url", "The part of the `url` after # is never sent.", "Leave it out.")

    def _secrets(self) -> tuple[str, ...]:
        if "secret" not in self._entry:
            self.wrong(
                "name",
                "A webhook needs a `secret`, so that its receiver can tell our messages from others.",
                "Write `secret: {env: NAME}` or `secret: {file: /path}`.",
            )
            return ()
        found = [self._secret(key) for key in ("secret", "previous_secret") if key in self._entry]
        return tuple(secret for secret in found if secret)

    def _secret(self, key: str) -> str | None:
        reference = self._entry[key]
        if "env" in reference:
            value = self._environment.get(reference["env"], "").strip()
            if not value:
                self.wrong(key, f"The environment variable {reference['env']} is not set.", _MAKE_ONE)
                return None
        else:
            try:
                value = self._read_file(reference["file"]).strip()
            except (OSError, UnicodeDecodeError) as error:
                self.wrong(key, f"The file {reference['file']} cannot be read ({type(error).__name__}).")
                return None
        if not _is_strong(value):
            self.wrong(key, "The secret is not base64 of at least 24 random bytes.", _MAKE_ONE)
            return None
        return value


def _is_strong(secret: str) -> bool:
    encoded = secret.removeprefix("whsec_")
    try:
        return len(base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)) >= _SHORTEST_SECRET_BYTES
    except (binascii.Error, ValueError):
        return False
