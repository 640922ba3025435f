"""Watches the team-edited files: a newer valid version is activated through Kafka, a bad one leaves the old in force.

The only reader of the folder in this process. What is in force comes from the store (the topic), not from the folder.
"""

import time
from collections.abc import Mapping
from datetime import datetime

from services.api.io.actions import active_policy
from services.api.io.publisher import Publisher
from services.api.io.rounds import Rounds
from services.api.io.store import Store
from services.api.names import Names
from services.contracts.errors import Unavailable
from services.contracts.events import PolicyActivated
from services.contracts.learning import Learning, read_learning
from services.contracts.policy import Policy
from services.contracts.policyfiles import load_policy, read_folder, version_of
from services.contracts.yamlfile import FileProblem, PolicyRefused, load_marked
from services.kit.clock import Clock, utc_now
from services.kit.metrics import PolicyMetrics
from services.kit.process import Process

SOURCES = "sources.yaml"
_EVERY_SECONDS = 2.0
_UNTIL_THE_FIRST_SECONDS = 0.5
POLICY = "policy"
"""The label of the whole folder in the reload metrics: its files are taken into force as one."""


class PolicyWatcher(Rounds):
    """Keeps the folder's newest valid version in force, and knows what is wrong with the newest."""

    def __init__(
        self,
        process: Process,
        store: Store,
        publisher: Publisher,
        metrics: PolicyMetrics,
        *,
        clock: Clock = utc_now,
    ) -> None:
        super().__init__(process, "policy", every=_EVERY_SECONDS)
        self._store = store
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._looked_at: str | None = None
        self._activated: str | None = None
        self._from_folder: Policy | None = None
        self._names: tuple[str, Names] = ("", Names(None))
        self._sources: tuple[str, frozenset[str]] = ("", frozenset())
        self._learning: tuple[str, Learning] = ("", Learning())
        self.problems: tuple[FileProblem, ...] = ()
        """Of the newest files; empty while they are in force."""

    def _round(self) -> None:
        try:
            self.look()
        except Unavailable:
            self._looked_at = None  # Kafka is away: look again as if for the first time
            raise

    def _pause(self) -> float:
        return super()._pause() if self._looked_at else _UNTIL_THE_FIRST_SECONDS

    def look(self) -> None:
        """Looks at the folder once. Raises Unavailable when a new version cannot be published."""
        files = read_folder(self._process.settings.policy_dir)
        digest = version_of(files)
        if digest == self._looked_at:
            return
        try:
            policy = load_policy(files)
        except PolicyRefused as refused:
            self._looked_at, self.problems = digest, refused.problems
            self._metrics.refused(POLICY)
            first = refused.problems[0]
            self._process.log.warning(
                "policy refused; the version before stays in force", problems=len(refused.problems), first=str(first)
            )
            return
        self._from_folder = policy
        if self._activated is None:
            with self._store.reading() as connection:
                before = active_policy(connection)
            self._activated = before.version if before is not None else None
        if policy.version != self._activated:
            now = self._clock()
            self._publisher.publish(PolicyActivated(version=policy.version, at=now, by="files", files=files))
            self._activated = policy.version
            self._process.log.info("policy activated", version=policy.version)
        self._looked_at, self.problems = digest, ()
        self._metrics.loaded(POLICY, time.time())

    def names(self) -> Names:
        """Names of the version in force; before the first one, of the folder."""
        with self._store.reading() as connection:
            active = active_policy(connection)
        version = active.version if active is not None else ""
        if active is not None and version != self._names[0]:
            self._names = (version, Names(_readable(active)))
        if active is None and self._from_folder is not None:
            return Names(self._from_folder)
        return self._names[1]

    def sources(self) -> frozenset[str]:
        """The sources that sources.yaml in force declares: the only ones that metrics name."""
        with self._store.reading() as connection:
            active = active_policy(connection)
        if active is None or SOURCES not in active.files:
            return frozenset()
        if self._sources[0] != active.version:
            self._sources = (active.version, _declared(active.files[SOURCES]))
        return self._sources[1]

    def learning(self) -> Learning:
        """What learning.yaml in force says; what Palette ships with, where it cannot be read."""
        with self._store.reading() as connection:
            active = active_policy(connection)
        if active is None:
            return Learning()
        if self._learning[0] != active.version:
            self._learning = (active.version, _learning(active.files))
        return self._learning[1]

    def in_force(self) -> tuple[str, datetime] | None:
        """Version and time of what is in force."""
        with self._store.reading() as connection:
            active = active_policy(connection)
        return (active.version, active.at) if active is not None else None


def _readable(active: PolicyActivated) -> Policy | None:
    try:
        return load_policy(active.files, version=active.version)
    except PolicyRefused:
        return None  # activated by a release that reads more than this one


def _declared(text: str) -> frozenset[str]:
    try:
        data = load_marked(text, file=SOURCES).data
    except PolicyRefused:
        return frozenset()
    declared = data.get("sources") if isinstance(data, dict) else None
    return frozenset(declared) if isinstance(declared, dict) else frozenset()


def _learning(files: Mapping[str, str]) -> Learning:
    try:
        return read_learning(files)
    except PolicyRefused:
        return Learning()
