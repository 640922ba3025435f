"""The sending systems as policy declares them (`sources.yaml`). Reads text, not files; knows what a source may say."""

from collections.abc import Mapping

import msgspec

from services.contracts.yamlfile import Marked, PolicyRefused, load_marked, schema_problems

FILE = "sources.yaml"
OTHER = "other"
"""Metric label of every source that policy does not declare."""


class Source(msgspec.Struct, frozen=True):
    """One sending system. `expected_interval_seconds` is the longest usual silence; None means nobody waits for it."""

    name: str
    title: str = ""
    channels: tuple[str, ...] = ()
    expected_interval_seconds: float | None = None
    link: str | None = None
    region: str | None = None


class Sources(msgspec.Struct, frozen=True):
    """All declared sources, and what becomes of the others."""

    declared: Mapping[str, Source] = {}
    accepts_unknown: bool = True
    regions: tuple[str, ...] = ("GB", "US", "DE")

    def label(self, name: str) -> str:
        """The source as a metric label."""
        return name if name in self.declared else OTHER

    def region(self, name: str) -> str | None:
        """Whose phone numbers its customers write without a prefix."""
        source = self.declared.get(name)
        return source.region if source else None


def read_sources(text: str) -> Sources:
    """Raises PolicyRefused with every problem, each with its line and a suggestion."""
    marked = load_marked(text, file=FILE)
    problems = schema_problems(marked, "sources.json")
    if problems:
        raise PolicyRefused(problems)
    _check_links(marked)
    data = marked.data
    declared = {
        name: Source(
            name=name,
            title=entry.get("title", name),
            channels=tuple(entry["channels"]),
            expected_interval_seconds=_seconds(entry.get("expected_interval")),
            link=entry.get("link"),
            region=entry.get("region"),
        )
        for name, entry in data.get("sources", {}).items()
    }
    return Sources(
        declared=declared,
        accepts_unknown=data.get("unknown", "accept") == "accept",
        regions=tuple(data.get("phone_regions", ("GB", "US", "DE"))),
    )


_LINK_FIELDS = ("{case.id}", "{source_id}", "{conversation_id}")
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0}


def _check_links(marked: Marked) -> None:
    problems = []
    for name, entry in marked.data.get("sources", {}).items():
        link = entry.get("link")
        if link is not None and not any(field in link for field in _LINK_FIELDS):
            problems.append(
                marked.problem(
                    ("sources", name, "link"),
                    "The link names nothing of the event.",
                    suggestion=f"Put one of {', '.join(_LINK_FIELDS)} into it.",
                )
            )
    if problems:
        raise PolicyRefused(problems)


def _seconds(interval: str | None) -> float | None:
    return None if interval is None else float(interval[:-1]) * _UNITS[interval[-1]]
