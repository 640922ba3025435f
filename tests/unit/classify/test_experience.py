"""Whose words count for what, in one text and over the parts of a conversation."""

from services.classify.experience.parts import MOST_PARTS, Part, of_part, tag
from services.classify.reading.text import MAX_CHARACTERS
from services.classify.tagging.tagger import Tagger
from services.contracts.events import Rating, Tags

SAID = "Your driver marked it delivered, nothing is here"


def tags_of(tagger: Tagger, *parts: Part) -> Tags:
    """The tags of one experience."""
    (told,) = tag([parts], tagger)
    return told.tags


def test_an_agents_apology_is_not_the_customers_feeling(tagger: Tagger) -> None:
    text = (
        "Agent: This is terrible, dangerous and disgusting, I am so sorry, you may sue us for the fire.\n"
        "Customer: Do you deliver to the islands?"
    )
    found = tags_of(tagger, Part(text=text))
    alone = tags_of(tagger, Part(text="Do you deliver to the islands?"))
    assert (found.sentiment, found.intent, found.severity) == (alone.sentiment, alone.intent, alone.severity)
    assert found.severity == 0
    company = text.index("Customer: ")
    assert all(e.start > company for e in found.evidence if e.head not in {"stage", "areas"})


def test_what_the_agent_says_tells_what_it_is_about(tagger: Tagger) -> None:
    text = "Agent: I see that the parcel was marked as delivered by the driver, and it is not there?\nCustomer: Yes."
    found, alone = tags_of(tagger, Part(text=text)), tags_of(tagger, Part(text="Yes."))
    assert found.stage == "receive"
    assert "fulfilment" in {tag.area for tag in found.areas}
    assert (found.sentiment, found.severity, found.themes) == (alone.sentiment, alone.severity, ())


def test_an_agents_message_alone_says_nothing_of_the_customer(tagger: Tagger) -> None:
    found = tags_of(tagger, Part(text="I am sorry that the parcel was late and made you furious.", author="agent"))
    assert (found.sentiment, found.intent, found.severity, found.themes) == ("neutral", "other", 0, ())
    assert {"sentiment", "intent", "severity"} <= {doubt.head for doubt in found.unsure}


def test_a_quoted_reply_changes_nothing(tagger: Tagger) -> None:
    quoted = f"{SAID}\n\nOn Mon, 2 Nov 2026, Support wrote:\n> Lovely room, wonderful staff, we like our hotel.\n> Bye"
    found, alone = tags_of(tagger, Part(text=quoted)), tags_of(tagger, Part(text=SAID))
    assert found == alone
    assert {quoted[e.start : e.end] for e in found.evidence if e.head == "theme"} == {"driver marked it delivered"}


def test_a_conversation_is_read_as_one_and_each_part_shows_its_own_words(tagger: Tagger) -> None:
    first, second = "Hello, I have a question about my order.", f"{SAID}."
    (told,) = tag([[Part(text=first), Part(text="How can I help?", author="agent"), Part(text=second)]], tagger)
    assert (told.tags.stage, told.tags.sentiment) == ("receive", "negative")
    shown = {e.label: second[e.start : e.end] for e in of_part(told, 2).evidence if e.head == "theme"}
    assert shown == {"driver-marked-delivered": "driver marked it delivered", "delivery-late": second}
    assert all(e.end <= len(first) for e in of_part(told, 0).evidence)
    assert of_part(told, 1).evidence == ()


def test_the_newest_rating_of_a_conversation_counts(tagger: Tagger) -> None:
    parts = [
        Part(text="Hm."),
        Part(rating=Rating(kind="csat", value=5, max=5)),
        Part(rating=Rating(kind="csat", value=1)),
    ]
    assert tags_of(tagger, *parts).sentiment == "negative"


def test_a_long_conversation_is_read_from_its_first_and_its_newest_parts(tagger: Tagger) -> None:
    filler = "well then " * 200
    parts = [Part(text=SAID), *[Part(text=filler)] * (MOST_PARTS + 20), Part(text="The room was dirty.")]
    (told,) = tag([parts], tagger)
    kept = [span for span in told.spans if span is not None]
    assert told.spans[0] == (0, len(SAID))
    assert told.spans[1] is None
    assert told.spans[-1] is not None
    assert kept[-1][1] <= MAX_CHARACTERS
    assert of_part(told, 1).evidence == ()


def test_a_very_long_first_part_leaves_room_for_the_newest(tagger: Tagger) -> None:
    (told,) = tag([[Part(text="word " * 4_000), Part(text="The room was dirty.")]], tagger)
    first, second = told.spans
    assert first is not None
    assert second is not None
    assert second[1] - second[0] == len("The room was dirty.")


def test_experiences_of_a_batch_do_not_touch_each_other(tagger: Tagger) -> None:
    parts = [
        Part(text=SAID),
        Part(text="Agent: How can I help?\nCustomer: The room was dirty."),
        Part(rating=Rating(kind="nps", value=1)),
    ]
    together = tag([[part] for part in parts], tagger)
    assert [told.tags for told in together] == [tags_of(tagger, part) for part in parts]
