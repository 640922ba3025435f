"""What can be wrong in the files that teams edit beyond what their schemas say: each problem with line and way out."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from services.contracts.policy import LEAST_EMPLOYEES, OWNER, Taxonomy, Team, matches_name
from services.contracts.yamlfile import FileProblem, Marked, did_you_mean

_PLACEHOLDERS = ("what", "where", "stage", "area", "theme", "team")
_TAXONOMY_KEYS = {"stage": "stages", "area": "areas", "any_area": "areas", "severity_kind": "severity_kinds"}


def check_taxonomy(marked: Marked) -> list[FileProblem]:
    """What routing reads of the taxonomy; its own service checks all of it."""
    data = marked.data
    if not isinstance(data, dict):
        return [marked.problem((), "The file must hold stages, areas and themes.")]
    problems = []
    for section, needed in (
        ("stages", ("id", "name")),
        ("areas", ("id", "name")),
        ("severity_kinds", ("id", "name")),
        ("themes", ("id", "name", "stage", "area")),
    ):
        entries = data.get(section)
        if not isinstance(entries, list):
            problems.append(marked.problem((section,), f"`{section}` must be a list."))
            continue
        for index, entry in enumerate(entries):
            lacking = [key for key in needed if not isinstance(entry, dict) or not isinstance(entry.get(key), str)]
            if lacking:
                problems.append(marked.problem((section, index), f"An entry of `{section}` needs `{lacking[0]}`."))
    return problems


def check_teams(
    marked: Marked, taxonomy: Taxonomy, teams: Mapping[str, Team], *, targets: frozenset[str] | None = None
) -> Iterable[FileProblem]:
    if marked.data["triage"] not in teams:
        yield marked.problem(
            ("triage",),
            f"No team is called {marked.data['triage']}.",
            suggestion=did_you_mean(marked.data["triage"], teams),
        )
    owners: dict[tuple[str, str], str] = {}
    seen: set[str] = set()
    for index, entry in enumerate(marked.data["teams"]):
        place = ("teams", index)
        if entry["id"] in seen or entry["id"] == OWNER:
            taken = "is a word of rules.yaml" if entry["id"] == OWNER else "is used twice"
            yield marked.problem((*place, "id"), f"The team id {entry['id']} {taken}.", suggestion="Choose another.")
        seen.add(entry["id"])
        if not _is_zone(entry["time_zone"]):
            yield marked.problem(
                (*place, "time_zone"),
                f"{entry['time_zone']} is not a time zone.",
                suggestion="Use a name such as Europe/London.",
            )
        if targets is not None:
            yield from _check_targets(marked, place, entry, targets)
        for what, known in (("areas", taxonomy.areas), ("themes", taxonomy.themes)):
            for position, name in enumerate(entry.get("owns", {}).get(what, ())):
                pointer = (*place, "owns", what, position)
                if name not in known:
                    yield marked.problem(
                        pointer, f"The taxonomy has no {what[:-1]} {name}.", suggestion=did_you_mean(name, known)
                    )
                elif (what, name) in owners:
                    yield marked.problem(
                        pointer,
                        f"{name} already belongs to {owners[what, name]}.",
                        suggestion="An area or theme has one owner.",
                    )
                owners[what, name] = entry["id"]


def _check_targets(
    marked: Marked, place: tuple[str | int, ...], entry: Mapping[str, Any], targets: frozenset[str]
) -> Iterable[FileProblem]:
    for key in ("targets", "escalates_to"):
        for position, name in enumerate(entry.get(key, ())):
            if name not in targets:
                hint = did_you_mean(name, targets)
                yield marked.problem((*place, key, position), f"targets.yaml has no target {name}.", suggestion=hint)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return False
    return True


def check_rules(marked: Marked, taxonomy: Taxonomy, teams: Mapping[str, Team]) -> Iterable[FileProblem]:
    names: dict[str, int] = {"default": 0}
    defaults = marked.data["defaults"]
    yield from _check_ask(marked, ("defaults", "ask"), defaults["ask"])
    for index, entry in enumerate(marked.data["rules"]):
        place = ("rules", index)
        line = marked.locate((*place, "name"))
        if entry["name"] in names:
            before = f"stands on line {names[entry['name']]}" if names[entry["name"]] else "takes what is left"
            yield marked.problem((*place, "name"), f"Another rule called {entry['name']} {before}.")
        names[entry["name"]] = line
        yield from _check_names(marked, place, entry, taxonomy, teams)
        yield from _check_sense(marked, place, entry, defaults, last=index == len(marked.data["rules"]) - 1)
        if "ask" in entry:
            yield from _check_ask(marked, (*place, "ask"), entry["ask"])


def _check_names(
    marked: Marked,
    place: tuple[str | int, ...],
    entry: Mapping[str, Any],
    taxonomy: Taxonomy,
    teams: Mapping[str, Team],
) -> Iterable[FileProblem]:
    team = entry.get("team", OWNER)
    if team != OWNER and team not in teams:
        hint = did_you_mean(team, [*teams, OWNER])
        yield marked.problem((*place, "team"), f"teams.yaml has no team {team}.", suggestion=hint)
    known: dict[str, Mapping[str, Any]] = {
        "stages": taxonomy.stages,
        "areas": taxonomy.areas,
        "severity_kinds": taxonomy.severity_kinds,
    }
    for block in ("when", "unless"):
        for key, section in _TAXONOMY_KEYS.items():
            for name in several(entry.get(block, {}).get(key, [])):
                if name not in known[section]:
                    yield marked.problem(
                        (*place, block, key),
                        f"The taxonomy has no {key.removeprefix('any_').replace('_', ' ')} {name}.",
                        suggestion=did_you_mean(name, known[section]),
                    )
        for pattern in several(entry.get(block, {}).get("theme", [])):
            if not any(matches_name(pattern, theme) for theme in taxonomy.themes):
                yield marked.problem(
                    (*place, block, "theme"),
                    f"The taxonomy has no theme {pattern}.",
                    suggestion=did_you_mean(pattern, taxonomy.themes),
                )


def _check_sense(
    marked: Marked,
    place: tuple[str | int, ...],
    entry: Mapping[str, Any],
    defaults: Mapping[str, Any],
    *,
    last: bool,
) -> Iterable[FileProblem]:
    acting = [key for key in ("action", "part", "team", "group_by", "opens_at", "ask", "dry_run") if key in entry]
    if "no_action" in entry and acting:
        yield marked.problem(
            (*place, acting[0]), f"`{acting[0]}` says nothing where `no_action` is.", suggestion="Leave one out."
        )
    if "when" not in entry and not entry.get("continue", False) and not last:
        yield marked.problem(
            place,
            f"{entry['name']} has no `when`, so it takes every event and the rules below it never act.",
            suggestion="Say when, move it to the end, or add `continue: true`.",
        )
    opens_at = entry.get("opens_at", defaults["opens_at"])
    at_once = entry.get("at_once_from_severity", defaults["at_once_from_severity"])
    if entry.get("part") == "engagement" and (opens_at.get("people", 0) < LEAST_EMPLOYEES or at_once is not None):
        yield marked.problem(
            (*place, "opens_at"),
            f"{entry['name']} is about our own people, who are never shown below {LEAST_EMPLOYEES} of them.",
            suggestion=f"Use `opens_at: {{people: {LEAST_EMPLOYEES}, …}}` and `at_once_from_severity: null`.",
        )
    acknowledge = entry.get("acknowledge_within", defaults["acknowledge_within"])
    resolve = entry.get("resolve_within", defaults["resolve_within"])
    if hours(acknowledge) > hours(resolve):
        key = "acknowledge_within" if "acknowledge_within" in entry else "resolve_within"
        yield marked.problem(
            (*place, key),
            f"{entry['name']} must be acknowledged within {acknowledge}, which is later than resolved ({resolve}).",
        )


def _check_ask(marked: Marked, place: tuple[str | int, ...], ask: str) -> Iterable[FileProblem]:
    for name in re.findall(r"\{([^{}]*)\}", ask):
        if name not in _PLACEHOLDERS:
            yield marked.problem(
                place, f"`{{{name}}}` cannot be filled in.", suggestion=did_you_mean(name, _PLACEHOLDERS)
            )
    if set("{}") & set(re.sub(r"\{[^{}]*\}", "", ask)):
        yield marked.problem(
            place, "A brace stands alone.", suggestion="Write {what}, {where}, {stage}, {area} or {team}."
        )


def hours(span: str) -> float:
    """Hours of a span as people write it: `30 minutes`, `1 hour`, `5 days`, `2 weeks`."""
    number, unit = span.split()
    return float(number) * {"minute": 1 / 60, "hour": 1.0, "day": 24.0, "week": 168.0}[unit.removesuffix("s")]


def several(value: Any) -> tuple[str, ...]:
    """One value, or each of a list."""
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)
