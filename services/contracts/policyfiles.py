"""Reads the files that teams edit (taxonomy.yaml, teams.yaml, rules.yaml) into one `Policy`.

Knows defaults and spans of time; what can be wrong is in `policychecks.py`.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.contracts.learning import read_learning
from services.contracts.policy import OWNER, Condition, Policy, Rule, Taxonomy, Team, Theme, ThemeKind
from services.contracts.policychecks import check_rules, check_taxonomy, check_teams, hours, several
from services.contracts.yamlfile import FileProblem, Marked, PolicyRefused, load_marked, schema_problems

TAXONOMY, TEAMS, RULES, TARGETS = "taxonomy.yaml", "teams.yaml", "rules.yaml", "targets.yaml"
FILES = (TAXONOMY, TEAMS, RULES)


def read_folder(folder: Path) -> dict[str, str]:
    """All team-edited files of a folder by their path in it. What is not UTF-8 becomes U+FFFD, which no id has."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(folder.rglob("*.yaml"))
    }


def version_of(files: Mapping[str, str]) -> str:
    """The digest that names a set of files."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name, files[name]):
            raw = part.encode("utf-8", "replace")
            digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()[:12]


def load_policy(files: Mapping[str, str], *, version: str | None = None) -> Policy:
    """The policy that the files say. Raises PolicyRefused with every problem of all files at once."""
    problems: list[FileProblem] = []
    marked: dict[str, Marked] = {}
    for name in FILES:
        if name not in files:
            problems.append(FileProblem(name, 1, "The file is missing."))
            continue
        try:
            marked[name] = load_marked(files[name], file=name)
        except PolicyRefused as refused:
            problems += refused.problems
    try:
        read_learning(files)
    except PolicyRefused as refused:
        problems += refused.problems
    if TAXONOMY in marked:
        problems += check_taxonomy(marked[TAXONOMY])
    for name, schema in ((TEAMS, "teams.json"), (RULES, "rules.json")):
        if name in marked:
            problems += schema_problems(marked[name], schema)
    if problems:
        raise PolicyRefused(problems)

    taxonomy = _taxonomy(marked[TAXONOMY].data)
    teams = {entry["id"]: _team(entry) for entry in marked[TEAMS].data["teams"]}
    triage = marked[TEAMS].data["triage"]
    problems += check_teams(marked[TEAMS], taxonomy, teams, targets=_target_names(files))
    problems += check_rules(marked[RULES], taxonomy, teams)
    if problems:
        raise PolicyRefused(problems)
    return Policy(
        version=version or version_of(files),
        taxonomy=taxonomy,
        teams=teams,
        triage=triage,
        rules=_rules(marked[RULES], triage),
        area_owner={area: team.id for team in teams.values() for area in team.areas},
        theme_owner={theme: team.id for team in teams.values() for theme in team.themes},
    )


def _target_names(files: Mapping[str, str]) -> frozenset[str] | None:
    """The targets that there are; None where that cannot be told, which is for their own service to report."""
    try:
        data = load_marked(files[TARGETS], file=TARGETS).data
        return frozenset(str(entry["name"]) for entry in data["targets"])
    except (KeyError, TypeError, PolicyRefused):
        return None


def _taxonomy(data: dict[str, Any]) -> Taxonomy:
    return Taxonomy(
        version=str(data.get("version", "")),
        stages={entry["id"]: entry["name"] for entry in data["stages"]},
        areas={entry["id"]: entry["name"] for entry in data["areas"]},
        severity_kinds={entry["id"]: entry["name"] for entry in data["severity_kinds"]},
        themes={
            entry["id"]: Theme(
                entry["id"], entry["name"], entry["stage"], entry["area"], _theme_kind(entry.get("kind", "problem"))
            )
            for entry in data["themes"]
        },
        former={section: _former(data[section]) for section in ("stages", "areas", "themes")},
    )


def _former(entries: list[dict[str, Any]]) -> dict[str, str]:
    """Ids that were renamed, and retired ones that another took over."""
    found: dict[str, str] = {}
    for entry in entries:
        successor = str(entry.get("becomes", "")) if entry.get("retired") else entry["id"]
        if successor and entry.get("retired"):
            found[entry["id"]] = successor
        was = entry.get("was", ())
        found |= dict.fromkeys([was] if isinstance(was, str) else was, successor or entry["id"])
    return found


def _theme_kind(given: object) -> ThemeKind:
    if given == "strength":
        return "strength"
    return "wish" if given == "wish" else "problem"


def _team(entry: Mapping[str, Any]) -> Team:
    owns = entry.get("owns", {})
    return Team(
        id=entry["id"],
        name=entry["name"],
        time_zone=entry["time_zone"],
        targets=tuple(entry.get("targets", ())),
        escalates_to=tuple(entry.get("escalates_to", ())),
        areas=tuple(owns.get("areas", ())),
        themes=tuple(owns.get("themes", ())),
    )


def _rules(marked: Marked, triage: str) -> tuple[Rule, ...]:
    defaults = marked.data["defaults"]
    rules = [
        _rule(entry, defaults, marked.locate(("rules", index))) for index, entry in enumerate(marked.data["rules"])
    ]
    default = {"name": "default", "description": "What no other rule took.", "team": triage}
    return (*rules, _rule(default, defaults, marked.locate(("defaults",))))


def _rule(entry: Mapping[str, Any], defaults: Mapping[str, Any], line: int) -> Rule:
    def said(key: str) -> Any:
        return entry.get(key, defaults.get(key))

    opens_at, expects = said("opens_at"), said("expects")
    people = "people" in opens_at
    return Rule(
        name=entry["name"],
        line=line,
        description=entry.get("description", ""),
        when=_conditions(entry.get("when", {})),
        unless=_conditions(entry.get("unless", {})),
        goes_on=entry.get("continue", False),
        no_action=entry.get("no_action"),
        action=entry.get("action", "cause"),
        part=entry.get("part", "improvement"),
        team=entry.get("team", OWNER),
        group_by=tuple(said("group_by")),
        threshold=opens_at["people" if people else "signals"],
        people=people,
        window_hours=hours(opens_at["within"]),
        at_once_from_severity=said("at_once_from_severity"),
        acknowledge_hours=hours(said("acknowledge_within")),
        resolve_hours=hours(said("resolve_within")),
        ease=said("ease"),
        falls_by=expects["falls_by"],
        within_days=round(hours(expects["within"]) / 24),
        ask=said("ask"),
        dry_run=entry.get("dry_run", False),
    )


def _conditions(block: Mapping[str, Any]) -> tuple[Condition, ...]:
    found = []
    for key, value in block.items():
        if key == "attributes":
            found += [Condition(f"attributes.{name}", wanted=several(wanted)) for name, wanted in value.items()]
        elif isinstance(value, bool):
            found.append(Condition(key, flag=value))
        elif isinstance(value, int):
            found.append(Condition(key, bound=value))
        elif isinstance(value, dict):
            found.append(Condition(key, scores={kind: float(score) for kind, score in value.items()}))
        else:
            found.append(Condition(key, wanted=several(value)))
    return tuple(found)
