"""The steps chained over lists: intake, tags, rules, fold, store, no broker. The same cases run on the product."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.api.io.actions import all_active
from services.api.io.feedback import voices_by_id
from services.api.io.store import Store, open_store
from services.classify.loading import load_tagger
from services.classify.step import classify
from services.classify.tagging.tagger import Tagger
from services.contracts import ids, topics
from services.contracts.codec import Outbound, RawMessage
from services.contracts.events import Action
from services.contracts.policyfiles import load_policy, read_folder
from services.ingest.intake import Accepted, Candidate, Checked, accept, check, compare
from services.ingest.masking import Masker, Pseudonyms
from services.ingest.sources import Sources
from services.router.partition import GroupsOfPartition
from services.router.signals import Policies, route
from tests.builders import feedback
from tests.cases import CASES, Case
from tests.unit.api.builders import project

POLICY = Path(__file__).parents[2] / "deploy" / "policy"


class Chain:
    """Every pure step, one after the other, as the topics would join them. One partition each."""

    def __init__(self, folder: Path, tagger: Tagger) -> None:
        self._tagger = tagger
        self._now = datetime.now(UTC)
        self._policies = Policies([(self._now - timedelta(days=1), load_policy(read_folder(POLICY)))])
        self._groups = GroupsOfPartition(0, version="test")
        self._pseudonyms = Pseudonyms(b"a key of the tests")
        self._known: dict[str, bytes] = {}
        self._ends: dict[str, int] = {}
        self.store: Store = open_store(data_dir=folder, database_url=None)

    def run(self, events: Sequence[dict[str, Any]], *, mode: Any = "live") -> list[Outbound]:
        """Everything that the events lead to; it stands in the store afterwards."""
        received = self._raw([out for event in events for out in self._intake(event, mode)])
        tagged = self._raw(classify(received, tagger=self._tagger, now=self._now, version="test").outbound)
        signals = self._raw(route(tagged, self._now, policies=self._policies, version="test"))
        folded = self._groups.fold(signals, self._now)
        shown = [out for out in folded if out.topic in {topics.ACTIONS, topics.ACTION_CHANGES}]
        project(self.store, [*received, *tagged, *self._raw(shown)])
        return folded

    def _intake(self, event: dict[str, Any], mode: Any) -> list[Outbound]:
        checked = check(Candidate(event), now=self._now, sources=Sources(), pseudonyms=self._pseudonyms)
        assert isinstance(checked, Checked), checked
        if compare(checked, self._known.get(checked.id)) is not None:
            return []
        self._known[checked.id] = checked.digest
        accepted = accept(checked, received_at=self._now, mode=mode, masker=Masker(), pseudonyms=self._pseudonyms)
        assert isinstance(accepted, Accepted)
        return [accepted.message]

    def _raw(self, sent: Sequence[Outbound]) -> list[RawMessage]:
        found = []
        for out in sent:
            offset = self._ends.get(out.topic, 0)
            self._ends[out.topic] = offset + 1
            found.append(RawMessage(out.topic, 0, offset, out.key, out.value, out.headers))
        return found

    def actions(self) -> list[Action]:
        """The actions that the store holds."""
        with self.store.reading() as connection:
            return all_active(connection)


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return load_tagger(POLICY)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_must_become_of_feedback(case: Case, tagger: Tagger, tmp_path: Path) -> None:
    chain = Chain(tmp_path, tagger)
    told = [out for out in chain.run(case.events(), mode=case.mode or "live") if out.topic == topics.NOTIFICATIONS]
    found = [a for a in chain.actions() if a.plan.action == "cause"]
    if case.opens is None:
        assert found == []
        assert told == []
        return
    assert [(a.plan.team, a.plan.theme, a.signals, a.state) for a in found] == [
        (case.opens.team, case.opens.theme, case.opens.signals, "open")
    ]
    assert found[0].plan.attributes == {"region": case.region}
    assert found[0].severity >= case.opens.severity
    assert found[0].reason
    assert told


def test_personal_data_is_gone_before_the_first_message(tagger: Tagger, tmp_path: Path) -> None:
    chain = Chain(tmp_path, tagger)
    event = feedback(text="My card 4111 1111 1111 1111 was charged twice.", customer={"id": "CUST-PLANTED-77123"})
    sent = chain.run([event])
    with chain.store.reading() as connection:
        (voice,) = voices_by_id(connection, [ids.event_id(event["source"], event["id"])]).values()
    assert voice.event.text == "My card ‹card number› was charged twice."
    assert voice.tagged is not None
    assert voice.event.customer not in {None, "CUST-PLANTED-77123"}
    assert not any(b"4111" in (out.value or b"") or b"PLANTED" in (out.value or b"") for out in sent)
