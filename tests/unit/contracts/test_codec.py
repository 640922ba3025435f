"""Bytes and headers: read by the CloudEvents SDK, refused without echo, kept whole in dead letters."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts import codec
from services.contracts import events as e
from services.contracts.codec import Outbound, RawMessage, dead_letter, decode, encode, replayed
from services.contracts.errors import BadMessage
from services.contracts.ids import conversation_key
from services.contracts.topics import load_topics
from tests.unit.contracts.schemafiles import EXAMPLES, STRUCTS, read
from tests.unit.contracts.typeshapes import strategy

NOW = datetime(2026, 11, 2, 9, 14, tzinfo=UTC)
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

headers = st.lists(
    st.tuples(st.text(max_size=8).filter(lambda name: not name.startswith("dl_")), st.binary(max_size=12)), max_size=5
).map(tuple)
maybe_bytes = st.none() | st.binary(max_size=200)
raw_messages = st.builds(
    RawMessage,
    topic=st.sampled_from(sorted(load_topics())),
    partition=st.integers(0, 11),
    offset=st.integers(0, 2**62),
    key=maybe_bytes,
    value=maybe_bytes,
    headers=headers,
    timestamp=st.integers(0, 2**42),
)


def raw(value: bytes | None) -> RawMessage:
    return RawMessage("feedback-received", 2, 41, b"k", value)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("event", STRUCTS)
def test_the_cloudevents_sdk_reads_our_messages(event: str, data: st.DataObject) -> None:
    thing = data.draw(strategy(STRUCTS[event]))
    message = encode(thing, trace=TRACE)
    ours = dict(message.headers)
    if not ours["ce_id"]:  # a strategy may make an empty id, which CloudEvents refuses and intake never makes
        return
    assert message.value is not None

    theirs = from_binary(KafkaMessage(ours, message.key, message.value), JSONFormat())

    attributes = theirs.get_attributes()
    assert attributes["id"] == ours["ce_id"].decode()
    assert attributes["source"] == ours["ce_source"].decode()
    assert attributes["type"] == ours["ce_type"].decode()
    assert attributes["specversion"] == "1.0"
    assert attributes["datacontenttype"] == "application/json"
    assert theirs.get_data() == json.loads(message.value)
    assert codec.trace_of(RawMessage(message.topic, 0, 0, message.key, message.value, message.headers)) == TRACE


def test_the_type_and_the_topic_of_an_event_are_fixed() -> None:
    types = {struct.__name__: (route.topic, route.type.decode()) for struct, route in codec._ROUTES.items()}

    assert types == {
        "FeedbackReceived": ("feedback-received", "palette.feedback.received.v1"),
        "FeedbackRejected": ("feedback-rejected", "palette.feedback.rejected.v1"),
        "FeedbackClassified": ("feedback-classified", "palette.feedback.classified.v1"),
        "FeedbackCorrected": ("feedback-corrections", "palette.feedback.corrected.v1"),
        "ActionCommand": ("action-commands", "palette.action.commanded.v1"),
        "Action": ("actions", "palette.action.v1"),
        "ActionChanged": ("action-changes", "palette.action.changed.v1"),
        "Notification": ("notifications", "palette.notification.v1"),
        "NotificationOutcome": ("notification-outcomes", "palette.notification.outcome.v1"),
        "PolicyActivated": ("policy-activations", "palette.policy.activated.v1"),
        "ModelActivated": ("model-activations", "palette.model.activated.v1"),
        "Join": ("routing-signals", "palette.routing.signal.v1"),
        "Retract": ("routing-signals", "palette.routing.signal.v1"),
        "Command": ("routing-signals", "palette.routing.signal.v1"),
        "Tick": ("routing-signals", "palette.routing.signal.v1"),
    }


@settings(max_examples=50, deadline=None)
@given(
    received=strategy(e.FeedbackReceived), classified=strategy(e.FeedbackClassified), corrected=strategy(e.Correction)
)
def test_all_about_one_customer_or_conversation_has_one_key(
    received: e.FeedbackReceived, classified: e.FeedbackClassified, corrected: e.Correction
) -> None:
    name = received.conversation_id
    tagged = msgspec.structs.replace(
        classified,
        id=received.id,
        source=received.source,
        customer=received.customer,
        conversation=None if name is None else e.Conversation(id=name),
    )
    correction = e.FeedbackCorrected(correction=corrected, of=tagged)

    own = received.customer or received.id
    assert encode(received).key == (own if name is None else conversation_key(received.source, name)).encode()
    assert encode(received).key == encode(tagged).key == encode(correction).key


@pytest.mark.parametrize(
    ("head", "counts"), [("a", True), ("b", False), (None, False)], ids=["its head", "a later part", "nobody spoke yet"]
)
def test_only_its_head_stands_for_a_conversation(head: str | None, *, counts: bool) -> None:
    example = msgspec.convert(read(EXAMPLES / "feedback-classified" / "valid-survey-tagged.json"), e.FeedbackClassified)
    tagged = msgspec.structs.replace(example, id="a", conversation=e.Conversation(id="c", head=head))
    assert tagged.counts is counts
    assert msgspec.structs.replace(tagged, conversation=None).counts


def refusal_of(document: dict[str, Any]) -> BadMessage | None:
    try:
        decode(raw(json.dumps(document).encode()), e.FeedbackReceived)
    except BadMessage as error:
        return error
    return None


# ---- decode ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "empty"),
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"id": "\xff"}', "not_json"),
        (b"[]", "schema"),
        (b"{}", "schema"),
        (b'{"id": 7}', "schema"),
        (b"[" * 100_000, "schema"),
        (b'{"nobody knows this field": ' + b"[" * 100_000, "too_deep"),
    ],
)
def test_what_cannot_be_read_says_why_in_one_word(value: bytes | None, code: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode(raw(value), e.FeedbackReceived)
    assert caught.value.code == code


@settings(max_examples=200, deadline=None)
@given(value=st.binary(max_size=300))
@pytest.mark.parametrize("kind", [e.FeedbackReceived, e.RoutingSignal, e.Action])
def test_no_bytes_raise_anything_but_bad_message(kind: Any, value: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(raw(value), kind)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(base=strategy(e.FeedbackReceived), change=st.dictionaries(st.sampled_from(
    sorted(f.name for f in msgspec.structs.fields(e.FeedbackReceived))
), json_values, min_size=1, max_size=3))  # fmt: skip
def test_a_document_with_anything_in_its_fields_is_read_or_a_bad_message(
    base: e.FeedbackReceived, change: dict[str, Any]
) -> None:
    refusal = refusal_of(msgspec.to_builtins(base) | change)

    assert refusal is None or refusal.code in {"schema", "not_json"}


SECRETS = ("4111 1111 1111 1111", "erika.mustermann", "Zebra")


@pytest.mark.parametrize("field", [f.name for f in msgspec.structs.fields(e.FeedbackReceived)])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {x: x}, lambda x: {"kind": x, "value": x}])
def test_a_refusal_never_repeats_what_was_sent(field: str, wrap: Any) -> None:
    document = {
        "id": "i", "source": "s", "source_id": "x", "channel": "chat",
        "occurred_at": "2026-11-02T09:14:00Z", "received_at": "2026-11-02T09:14:00Z",
    }  # fmt: skip
    for secret in SECRETS:
        refusal = refusal_of(document | {field: wrap(secret)})

        assert refusal is None or secret not in f"{refusal} {refusal.code}"
        assert refusal is None or refusal.__suppress_context__


def test_a_refusal_hides_a_value_that_looks_like_the_end_of_a_refusal() -> None:
    document = b'{"kind": "x - at `$.kind` then 4111 1111 1111 1111", "id": "i"}'
    with pytest.raises(BadMessage) as caught:
        decode(raw(document), e.RoutingSignal)
    assert caught.value.message == "Invalid value - at `$.kind`"


def test_unknown_fields_are_ignored_at_every_depth() -> None:
    tick = {
        "kind": "tick", "id": "t", "group": "g", "at": "2026-11-02T09:14:00Z", "action": "a", "timer": "resolve_due",
        "new": {"deep": [1]},
    }  # fmt: skip
    assert decode(raw(json.dumps(tick).encode()), e.RoutingSignal).id == "t"


# ---- dead letters ---------------------------------------------------------------------------------------------------


def letter_of(message: RawMessage) -> Outbound:
    return dead_letter(message, service="classify", version="0.1.0", code="schema", detail="Expected `str`", at=NOW)


def as_read(sent: Outbound, offset: int = 0) -> RawMessage:
    return RawMessage(sent.topic, 0, offset, sent.key, sent.value, sent.headers)


@given(raw_messages)
def test_a_replayed_letter_is_the_message_again(message: RawMessage) -> None:
    letter = letter_of(message)
    again, mark = replayed(as_read(letter), at=NOW)

    assert letter.topic == "classify-dlq"
    assert (again.topic, again.key, again.value) == (message.topic, message.key, message.value)
    assert again.headers[:-1] == message.headers
    name = f"{message.topic}-{message.partition}-{message.offset}".encode()
    assert again.headers[-1] == ("dl_replay_of", name)
    assert (mark.topic, mark.value) == ("classify-dlq", None)
    assert dict(mark.headers)["dl_id"] == name


@given(raw_messages)
def test_a_letter_says_where_it_stood_and_why(message: RawMessage) -> None:
    facts = dict(letter_of(message).headers[-9:])

    assert facts["dl_topic"].decode() == message.topic
    assert int(facts["dl_partition"]) == message.partition
    assert int(facts["dl_offset"]) == message.offset
    assert facts["dl_code"] == b"schema"
    assert (facts["dl_service"], facts["dl_version"]) == (b"classify", b"0.1.0")
    assert datetime.fromisoformat(facts["dl_at"].decode()) == NOW


def test_a_message_that_fails_again_after_a_replay_is_a_letter_of_its_own() -> None:
    message = RawMessage("feedback-received", 1, 5, b"k", b"poison", (("ce_id", b"1"),))
    again = next(iter(replayed(as_read(letter_of(message)), at=NOW)))
    second = letter_of(RawMessage(again.topic, 1, 99, again.key, again.value, again.headers))

    assert [value for name, value in second.headers if name == "dl_id"] == [b"feedback-received-1-99"]
    assert [name for name, _ in second.headers].count("dl_code") == 1
    assert second.value == b"poison"


def test_a_detail_is_cut_so_that_headers_stay_small() -> None:
    letter = dead_letter(raw(b""), service="api", version="1", code="c", detail="é" * 5_000, at=NOW)
    assert len(dict(letter.headers)["dl_detail"]) <= 600


def test_what_is_no_letter_is_not_replayed() -> None:
    with pytest.raises(BadMessage):
        list(replayed(raw(b"{}"), at=NOW))


def test_a_new_trace_is_a_w3c_traceparent() -> None:
    version, trace, span, flags = codec.new_trace().decode().split("-")

    assert (version, flags, len(trace), len(span)) == ("00", "01", 32, 16)
    assert codec.new_trace() != codec.new_trace()
