"""Step one: tagged events and commands become signals of their groups; redelivery and activation change nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from services.contracts.codec import Outbound, RawMessage
from services.contracts.events import ActionCommand, FeedbackClassified, Join, RoutingSignal
from services.contracts.policy import Policy
from services.contracts.policyfiles import load_policy, read_folder
from services.contracts.rules import Decision
from services.contracts.topics import ROUTER_DLQ, ROUTING_SIGNALS
from services.router.signals import Policies, route
from tests.unit.router.builders import POLICY_FOLDER, START, at, classified, messages, shipped_policy, tags

PRAISE = {"sentiment": "positive", "intent": "praise", "severity": 0}


def shops_own_delivery() -> Policy:
    files = read_folder(POLICY_FOLDER)
    files["rules.yaml"] = files["rules.yaml"].replace("group_by: [theme, attributes.region]", "group_by: [theme]")
    return load_policy(files)


def routed(given: Sequence[RawMessage], policies: Policies | None = None, **over: Any) -> list[Outbound]:
    policies = policies or Policies([(at(-1), shipped_policy())])
    return route(given, START, policies=policies, version="test", **over)


def signals(out: Sequence[Outbound]) -> list[RoutingSignal]:
    return [
        msgspec.json.decode(message.value or b"", type=RoutingSignal)
        for message in out
        if message.topic == ROUTING_SIGNALS
    ]


def summary(out: Sequence[Outbound]) -> list[tuple[str, str]]:
    return [(type(signal).__name__, signal.group) for signal in signals(out)]


NORTH = "cause.improvement/theme:driver-marked-delivered/region:north"
ANYWHERE = "cause.improvement/theme:driver-marked-delivered"
LATE = "cause.improvement/theme:delivery-late/region:north"


def test_a_complaint_joins_its_group_with_the_plan() -> None:
    event = classified()
    out = routed(messages([event]))
    (join,) = signals(out)

    assert isinstance(join, Join)
    assert (join.group, join.event, join.revision, join.at) == (NORTH, event.id, 1, event.tagged_at)
    assert join.plan.team == "delivery"
    assert join.plan.policy == shipped_policy().version
    assert out[0].key == NORTH.encode()


def test_doing_it_again_gives_the_same_bytes() -> None:
    given = messages([classified(), classified(revision=2, supersedes=tags(themes=("delivery-late",)))])
    assert routed(given) == routed(given)


def test_a_newer_revision_leaves_the_old_group_and_joins_the_new_one() -> None:
    event = classified(revision=2, supersedes=tags(themes=("delivery-late",)))
    assert summary(routed(messages([event]))) == [("Retract", LATE), ("Join", NORTH)]


def test_a_newer_revision_that_stays_in_its_group_is_not_taken_out() -> None:
    assert summary(routed(messages([classified(revision=2, supersedes=tags(severity=2))]))) == [("Join", NORTH)]


def test_a_newer_revision_leaves_the_groups_of_every_policy_known() -> None:
    policies = Policies([(at(-9), shops_own_delivery()), (at(-1), shipped_policy())])
    event = classified(revision=2, tags=PRAISE, supersedes=tags())
    assert summary(routed(messages([event]), policies)) == [("Retract", ANYWHERE), ("Retract", NORTH)]


def test_an_event_that_comes_again_after_an_activation_is_decided_as_before() -> None:
    before = Policies([(at(-9), shipped_policy())])
    after = before.with_version(at(5), shops_own_delivery())
    event, later = classified(tagged_at=at(4.9)), classified(tagged_at=at(5))

    assert summary(routed(messages([event]), before)) == summary(routed(messages([event]), after)) == [("Join", NORTH)]
    assert summary(routed(messages([later]), after)) == [("Join", ANYWHERE)]


def test_an_event_older_than_every_policy_is_decided_by_the_first() -> None:
    policies = Policies([(at(3), shops_own_delivery()), (at(9), shipped_policy())])
    assert summary(routed(messages([classified(tagged_at=at(0))]), policies)) == [("Join", ANYWHERE)]


def test_a_rehearsal_counts_as_of_event_time_and_an_import_as_of_now() -> None:
    given = [classified(mode=mode, occurred_at=at(-500)) for mode in ("rehearsal", "backfill", "live")]
    found = [(signal.at, signal.mode) for signal in signals(routed(messages(given))) if isinstance(signal, Join)]
    assert found == [(at(-500), "rehearsal"), (at(0.2), "backfill"), (at(0.2), "live")]


def test_praise_and_unsure_events_ask_nothing_of_anybody() -> None:
    assert routed(messages([classified(tags=PRAISE), classified(tags={"status": "unsure"})])) == []


def test_every_decision_is_told() -> None:
    told: list[str] = []

    def observe(_event: FeedbackClassified, decisions: Sequence[Decision]) -> None:
        told.extend(decision.reason for decision in decisions)

    routed(messages([classified(), classified(tags=PRAISE)]), observe=observe)
    assert told == ["cause", "praise"]


def test_commands_travel_in_their_groups_order_and_teams_are_looked_up() -> None:
    asked = ActionCommand(id="c1", action="a1", group=NORTH, command="assign", by="ann", at=at(1), to="billing")
    person = msgspec.structs.replace(asked, id="c2", to="bob")
    found = signals(routed(messages([asked, person])))

    assert [(signal.id, signal.group, signal.team, signal.targets) for signal in found] == [  # type: ignore[union-attr]
        ("c1", NORTH, "billing", ("actions",)),
        ("c2", NORTH, None, ()),
    ]


def test_traces_are_handed_on() -> None:
    (message,) = messages([classified()])
    traced = msgspec.structs.replace(message, headers=(*message.headers, ("traceparent", b"00-1-2-01")))
    assert dict(routed([traced])[0].headers)["traceparent"] == b"00-1-2-01"


def test_poison_is_put_aside_between_two_good_ones() -> None:
    good = messages([classified(), classified()])
    poison = [
        msgspec.structs.replace(good[0], offset=7, value=b"{nonsense"),
        msgspec.structs.replace(good[0], offset=8, value=b'{"id": "secret words"}', topic="action-commands"),
    ]
    out = routed([good[0], *poison, good[1]])

    assert [message.topic for message in out] == [ROUTING_SIGNALS, ROUTER_DLQ, ROUTER_DLQ, ROUTING_SIGNALS]
    assert dict(out[1].headers)["dl_id"] == b"feedback-classified-0-7"
    assert not any(b"secret" in value for message in out for _, value in message.headers)


def test_a_rehearsal_of_the_year_1_counts_from_where_due_times_can_be_reckoned() -> None:
    (join,) = signals(routed(messages([classified(occurred_at=datetime.min.replace(tzinfo=UTC), mode="rehearsal")])))

    assert join.at.year == 1970
