"""The compatibility gate: whether a schema may take the place of a released one.

Both directions count, because in a running system either side may be the older one and a topic keeps what was written
years ago: today's schema, closed as producers are held to it, must take every document that the released one allowed,
and the released one, open as consumers read, must take every document that today's allows. What cannot be proved
counts as a break.
"""

from typing import Any

import jsonschema_rs

_PROVED = "yes"


def breaks(*, new: Any, released: Any, has_old_readers: bool = True) -> list[str]:
    """Why `new` may not follow `released`; empty when it may. What senders post has no old readers: intake is one."""
    found = []
    ours = jsonschema_rs.canonicalize(new)
    answer = str(ours.covers(jsonschema_rs.canonicalize(released)))
    if answer != _PROVED:
        found.append(f"today's schema takes every released document: {answer}")
    if has_old_readers:
        answer = str(jsonschema_rs.canonicalize(opened(released)).covers(ours))
        if answer != _PROVED:
            found.append(f"a released reader takes every document of today: {answer}")
    return found


def opened(schema: Any) -> Any:
    """A schema as consumers read: unknown fields are ignored at every depth."""
    if isinstance(schema, list):
        return [opened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: opened(part) for key, part in schema.items() if (key, part) != ("additionalProperties", False)}
