"""Retagging: relabelling told from reality, people's words kept, what keeps its tags and why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import yaml

from services.classify.experience.conversations import KEPT
from services.classify.relabelling import Comparison, Labels, Moved, Shift, labels_of, told
from services.classify.retagging import History, Left, Past, anew, left, retagged
from services.classify.taxonomy.labels import FILE, Taxonomy, taxonomy_of
from services.contracts import topics
from services.contracts.codec import Outbound
from services.contracts.events import (
    AreaTag,
    Conversation,
    Correction,
    FeedbackClassified,
    FeedbackCorrected,
    Tags,
    Versions,
)
from services.contracts.yamlfile import load_marked
from services.router.partition import GroupsOfPartition
from services.router.signals import Policies, route
from tests.unit.classify.conftest import POLICY
from tests.unit.classify.own_labels import charging, entry_of
from tests.unit.router import builders as routing

NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)
OLD, NEW = Versions(model="m-1", taxonomy="t-1"), Versions(model="m-1", taxonomy="t-2")


def tags(stage: str = "use", *, versions: Versions = OLD, areas: tuple[str, ...] = ("product",), **over: Any) -> Tags:
    facts = {
        "stage": stage,
        "stage_confidence": 0.8,
        "areas": tuple(AreaTag(area=area, confidence=0.7) for area in areas),
        "sentiment": "negative",
        "sentiment_confidence": 0.9,
        "intent": "complaint",
        "intent_confidence": 0.9,
        "severity": 1,
        "severity_confidence": 0.6,
        "status": "tagged",
        "versions": versions,
    }
    return Tags(**(facts | over))


def classified(number: int = 1, revision: int = 1, **over: Any) -> FeedbackClassified:
    facts: dict[str, Any] = {
        "id": f"e-{number}",
        "revision": revision,
        "tags": tags(),
        "source": "web-survey",
        "channel": "survey",
        "occurred_at": NOW,
        "received_at": NOW,
        "tagged_at": NOW,
    }
    return FeedbackClassified(**(facts | over))


def correction(name: str = "c-1", **over: Any) -> Correction:
    return Correction(id=name, by="ana", at=NOW, **over)


def past_of(*revisions: FeedbackClassified) -> Past:
    history = History(NEW)
    for revision in revisions:
        history.take(revision)
    found = history.of(revisions[-1].id)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    """The shipped one with `pay` renamed, `stay` gone into `use`, `discover` gone without successor."""
    data = yaml.safe_load((POLICY / FILE).read_text(encoding="utf-8"))
    entry_of(data, "stages", "pay").update(id="billing", was="pay")
    entry_of(data, "stages", "stay").update(retired=True, becomes="use")
    entry_of(data, "stages", "discover").update(retired=True)
    data["stages"].append(charging())
    moved = {"pay": "billing", "stay": "use", "discover": "choose"}
    for theme in data["themes"]:
        theme["stage"] = moved.get(theme["stage"], theme["stage"])
    return taxonomy_of(load_marked(yaml.safe_dump(data), file=FILE))


# ---- what keeps its tags --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revision", "known", "why"),
    [
        (classified(), {}, None),
        (classified(tags=tags(versions=NEW)), {}, Left.DONE),
        (classified(), {"in_case": True}, Left.OPEN_CASE),
        (classified(), {"being_corrected": True}, Left.BEING_CORRECTED),
        (classified(conversation=Conversation(id="k", head="e-9")), {}, Left.CONVERSATION),
        (classified(conversation=Conversation(id="k", head="e-1")), {}, Left.CONVERSATION),
        (classified(conversation=Conversation(id="k", head="e-1"), tagged_at=NOW - KEPT * 2), {}, None),
    ],
)
def test_what_keeps_its_tags(revision: FeedbackClassified, known: dict[str, bool], why: Left | None) -> None:
    facts = {"in_case": False, "being_corrected": False} | known

    assert left(past_of(revision), NEW, now=NOW, **facts) == why


def test_the_next_revision_supersedes_and_moves_statistics_only() -> None:
    first = classified(tags=tags("use"))
    found = retagged(past_of(first), tags("charging", versions=NEW), now=NOW + timedelta(hours=1))

    assert (found.id, found.revision, found.mode) == ("e-1", 2, "backfill")
    assert found.supersedes == first.tags
    assert found.tags.stage == "charging"
    assert left(past_of(first, found), NEW, now=NOW, in_case=False, being_corrected=False) is Left.DONE


def test_doing_it_again_compares_with_the_same_old_tags() -> None:
    first = classified(tags=tags("use"))
    done = retagged(past_of(first), tags("charging", versions=NEW), now=NOW)

    assert past_of(first, done).old == first.tags
    assert past_of(done).old == first.tags  # where the first was written before the time that is looked at


def test_what_a_person_said_stays_said(taxonomy: Taxonomy) -> None:
    first = classified()
    second = msgspec.structs.replace(
        first, revision=2, tags=tags("pay"), supersedes=first.tags, correction=correction(stage="pay")
    )
    third = msgspec.structs.replace(
        second, revision=3, tags=tags("pay"), supersedes=second.tags, correction=correction("c-2", areas=("price",))
    )
    past = past_of(first, second, third)

    found = anew(past, tags("charging", versions=NEW), taxonomy)
    assert (found.stage, found.stage_confidence) == ("billing", 1.0)
    assert [tag.area for tag in found.areas] == ["price"]
    revision = retagged(past, found, now=NOW)
    assert (revision.revision, revision.correction) == (4, correction("c-2", areas=("price",)))


def test_a_person_s_word_that_nothing_took_the_place_of_is_no_word_any_more(taxonomy: Taxonomy) -> None:
    said = msgspec.structs.replace(classified(), revision=2, correction=correction(stage="discover"))

    assert anew(past_of(said), tags("choose", versions=NEW), taxonomy).stage == "choose"


def test_a_correction_is_under_way_until_a_revision_names_it() -> None:
    history = History(NEW)
    history.take(classified())
    history.ask(FeedbackCorrected(correction=correction(stage="buy"), of=classified()))
    assert history.being_corrected("e-1", now=NOW)
    assert not history.being_corrected("e-1", now=NOW + timedelta(hours=1))  # it became a dead letter

    history.take(classified(revision=2, correction=correction(stage="buy")))
    assert not history.being_corrected("e-1", now=NOW)
    history.ask(FeedbackCorrected(correction=correction(stage="buy"), of=classified()))  # read a second time
    assert not history.being_corrected("e-1", now=NOW)


# ---- relabelling and reality ----------------------------------------------------------------------------------------


def labels(stage: str, *, areas: tuple[str, ...] = ("product",), theme: tuple[str, ...] = ()) -> Labels:
    return Labels((stage,), areas, theme)


def test_a_change_is_split_into_what_is_called_otherwise_and_what_really_changed() -> None:
    split = NOW
    comparison = Comparison(since=NOW - timedelta(days=28), split=split)
    earlier, later = split - timedelta(days=10), split + timedelta(days=10)
    for _ in range(10):
        comparison.take(earlier, labels("use"), labels("use"))
    for _ in range(12):
        comparison.take(later, labels("use"), labels("use"))
    for _ in range(4):
        comparison.take(later, labels("use"), labels("charging"))
    comparison.take(later, None, labels("charging"))

    report = comparison.report()
    assert (report.compared, report.only_new, report.changed["stage"]) == (26, 1, 4)
    shifts = {shift.label: shift for shift in report.shifts if shift.head == "stage"}
    # a chart would show `use` from 10 to 12; in truth it rose to 16, of which 4 are called charging now
    assert shifts["use"] == Shift("stage", "use", 10, 12, relabelled=-4, real=6)
    assert shifts["charging"] == Shift("stage", "charging", 0, 4, relabelled=4, real=0)
    assert all(s.after - s.before == s.relabelled + s.real for s in report.shifts)
    assert report.moved == (Moved("stage", "use", "charging", 4),)
    weeks = {(week.label, week.week.isoformat()): (week.old, week.new) for week in report.weeks if week.head == "stage"}
    assert weeks["use", "2026-11-09"] == (16, 12)
    assert any("use -> charging" in line for line in told(report))


def test_a_renamed_label_is_the_same_and_a_retired_one_is_not(taxonomy: Taxonomy) -> None:
    assert labels_of(tags("pay"), taxonomy) == labels_of(tags("billing"), taxonomy)
    assert labels_of(tags("stay"), taxonomy) != labels_of(tags("use"), taxonomy)


def test_an_empty_history_has_nothing_to_tell() -> None:
    report = Comparison(since=NOW, split=NOW).report()

    assert list(told(report)) == ["0 events have tags of both versions."]


# ---- what the router makes of it ------------------------------------------------------------------------------------


def test_retagging_moves_events_between_groups_and_nobody_is_told() -> None:
    policies = Policies([(routing.at(-1), routing.shipped_policy())])
    groups = GroupsOfPartition(0, version="test")

    def fold(events: list[FeedbackClassified]) -> list[Outbound]:
        signals = route(routing.messages(events), routing.at(2), policies=policies, version="test")
        return groups.fold(routing.raw(signals), routing.at(2))

    few = {"themes": (), "stage": "use", "areas": ("product",), "versions": OLD}
    first = [routing.classified(id=f"quiet-{n}", tags=few, attributes={"region": f"r-{n}"}) for n in range(12)]
    assert not [out for out in fold(first) if out.topic == topics.NOTIFICATIONS]

    parcels = routing.tags(versions=NEW)  # live, these would open a case in one region at once
    live = [msgspec.structs.replace(event, tags=parcels, attributes={"region": "north"}) for event in first]
    again = [retagged(past_of(event), parcels, now=routing.at(1)) for event in first]
    again = [msgspec.structs.replace(event, attributes={"region": "north"}) for event in again]
    folded = fold(again)

    assert {out.topic for out in folded} == {topics.ROUTER_STATE}  # remembered, and nothing opened
    opened = GroupsOfPartition(0, version="test").fold(
        routing.raw(route(routing.messages(live), routing.at(2), policies=policies, version="test")), routing.at(2)
    )
    assert topics.NOTIFICATIONS in {out.topic for out in opened}
