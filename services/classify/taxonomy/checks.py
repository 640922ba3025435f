"""What can be wrong in taxonomy.yaml beyond what its schema says: each problem with its line and a way out.

Knows one file. Whether its labels can be learnt is another question, which needs texts and a model.
"""

from collections.abc import Iterator
from typing import Any, get_args

from services.contracts.events import Intent, Sentiment
from services.contracts.yamlfile import FileProblem, Marked, Pointer, did_you_mean

_CHANGEABLE = ("stages", "areas", "themes")
_FIXED = {"sentiments": get_args(Sentiment), "intents": get_args(Intent)}
_UNKNOWN = "unknown"


def problems_of(marked: Marked) -> list[FileProblem]:
    """Every problem of a file that obeys its schema."""
    return [
        *_given_twice(marked),
        *_fixed(marked),
        *_former_ids(marked),
        *_retired(marked),
        *_places(marked),
    ]


def _given_twice(marked: Marked) -> Iterator[FileProblem]:
    for group in marked.data:
        seen = set()
        for _, index, entry in _entries(marked, group):
            if entry["id"] in seen:
                yield marked.problem([group, index, "id"], f"`{entry['id']}` is given twice.", suggestion="Keep one.")
            seen.add(entry["id"])


def _fixed(marked: Marked) -> Iterator[FileProblem]:
    """Routing, charts and scores reckon with these ids; and with `unknown`, which stands for everything not told."""
    for group, ids in _FIXED.items():
        given = [entry["id"] for _, _, entry in _entries(marked, group)]
        if sorted(set(given)) != sorted(ids):
            message = f"The ids of {group} are fixed: {', '.join(ids)}."
            yield marked.problem([group], message, suggestion="Change names and definitions only.")
    for group in ("stages", "areas"):
        place = next((n for _, n, entry in _entries(marked, group) if entry["id"] == _UNKNOWN), None)
        if place is None:
            yield marked.problem([group], f"`{_UNKNOWN}` is missing from {group}.", suggestion="Put it back.")
        elif marked.data[group][place].get("retired"):
            yield marked.problem([group, place, "retired"], f"`{_UNKNOWN}` cannot be retired.")


def _former_ids(marked: Marked) -> Iterator[FileProblem]:
    for group in _CHANGEABLE:
        ids = {entry["id"] for _, _, entry in _entries(marked, group)}
        taken: dict[str, str] = {}
        for _, index, entry in _entries(marked, group):
            for old in _as_list(entry.get("was", ())):
                place: Pointer = (group, index, "was")
                if old in ids:
                    message = f"`{old}` still has an entry, so `{entry['id']}` cannot have been it."
                    yield marked.problem(place, message, suggestion=f"Remove the entry `{old}` or this line.")
                elif old == _UNKNOWN:
                    yield marked.problem(place, f"`{_UNKNOWN}` keeps its id.", suggestion="Change its name only.")
                elif old in taken:
                    message = f"`{old}` is already what `{taken[old]}` was."
                    yield marked.problem(place, message, suggestion="An id has one successor; retire the other.")
                taken.setdefault(old, entry["id"])


def _retired(marked: Marked) -> Iterator[FileProblem]:
    for group in _CHANGEABLE:
        used = [entry["id"] for _, _, entry in _entries(marked, group) if not entry.get("retired")]
        for _, index, entry in _entries(marked, group):
            becomes = entry.get("becomes")
            if becomes is None:
                continue
            place: Pointer = (group, index, "becomes")
            if not entry.get("retired"):
                message = f"`{entry['id']}` is in use, so it becomes nothing else."
                yield marked.problem(place, message, suggestion="Add `retired: true` or remove `becomes`.")
            elif becomes not in used:
                message = f"`{becomes}` is not one of the {group} in use."
                yield marked.problem(place, message, suggestion=did_you_mean(becomes, used))


def _places(marked: Marked) -> Iterator[FileProblem]:
    for key, group in (("stage", "stages"), ("area", "areas")):
        entries = [entry for _, _, entry in _entries(marked, group)]
        known = [entry["id"] for entry in entries if not entry.get("retired")]
        now = {old: entry["id"] for entry in entries for old in _as_list(entry.get("was", ()))}
        now |= {entry["id"]: entry.get("becomes", "") for entry in entries if entry.get("retired")}
        for _, index, theme in _entries(marked, "themes"):
            if theme[key] in known or theme.get("retired"):
                continue
            successor = now.get(theme[key])
            suggestion = f"Write {successor}." if successor else did_you_mean(theme[key], known)
            message = f"`{theme[key]}` is not one of the {group}{' in use' if theme[key] in now else ''}."
            yield marked.problem(["themes", index, key], message, suggestion=suggestion)


def _as_list(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _entries(marked: Marked, *groups: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for group in groups:
        if isinstance(marked.data[group], list):
            for index, entry in enumerate(marked.data[group]):
                yield group, index, entry
