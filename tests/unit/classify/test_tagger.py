"""The tagger: plain sentences, ratings, languages, hostile texts."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classify.tagging.doubt import Reason
from services.classify.tagging.tagger import MOST_AREAS, MOST_SECONDARY, Tagger, TagInput
from services.contracts.events import Rating, Tags
from tests.unit.classify.sentences import MISSED, PLAIN


def one(tagger: Tagger, text: str | None, **more: object) -> Tags:
    """The tags of one text."""
    return tagger.tag([TagInput(text=text, **more)])[0]  # type: ignore[arg-type]  # tests name fields freely


@pytest.mark.parametrize(("text", "stage", "areas", "theme"), PLAIN)
def test_plain_sentences_are_tagged_as_anyone_would(
    tagger: Tagger, text: str, stage: str, areas: frozenset[str], theme: str | None
) -> None:
    tags = one(tagger, text)
    assert tags.stage == stage
    assert tags.areas[0].area in areas
    assert theme is None or theme in tags.themes


@pytest.mark.xfail(strict=True, reason="a known miss of the shipped model: move it to PLAIN when it is found")
@pytest.mark.parametrize(("text", "stage"), MISSED)
def test_known_misses_are_still_missed(tagger: Tagger, text: str, stage: str) -> None:
    assert one(tagger, text).stage == stage


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("I can't fault the fitters, a joy from start to finish", "positive"),
        ("The staff were not rude at all, they were lovely", "positive"),
        ("Absolutely appalling, never again", "negative"),
        ("What time do you close on Sunday?", "neutral"),
        ("Lovely table but the delivery was dreadful", "mixed"),
    ],
)
def test_feelings_survive_negation_and_contrast(tagger: Tagger, text: str, sentiment: str) -> None:
    assert one(tagger, text).sentiment == sentiment


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The oven caught fire and burned my hand", "safety"),
        ("Someone emptied my account and the bank does nothing, thousands are gone", "fraud"),
        ("The man at the desk made racist remarks and refused to serve us", "discrimination"),
        ("Still no refund, my solicitor will take you to court", "legal"),
    ],
)
def test_harm_that_is_named_is_critical(tagger: Tagger, text: str, kind: str) -> None:
    tags = one(tagger, text)
    assert (tags.severity, tags.severity_kind) == (3, kind)


@pytest.mark.parametrize("text", ["What a killer deal, my daughter loves it", "Prices are criminal, otherwise fine"])
def test_strong_words_are_no_harm(tagger: Tagger, text: str) -> None:
    assert one(tagger, text).severity < 3


@pytest.mark.parametrize(
    ("kind", "value", "sentiment"),
    [("nps", 2, "negative"), ("nps", 8, "neutral"), ("nps", 10, "positive"), ("stars", 1, "negative"),
     ("stars", 3, "neutral"), ("stars", 5, "positive"), ("thumbs", 0, "negative"), ("ces", 7, "positive")],
)  # fmt: skip
def test_a_bare_rating_is_tagged_from_the_rating_and_needs_no_look(
    tagger: Tagger, kind: str, value: float, sentiment: str
) -> None:
    tags = one(tagger, None, rating=Rating(kind=kind, value=value))  # type: ignore[arg-type]  # a table of kinds
    assert (tags.status, tags.stage, tags.areas[0].area, tags.sentiment) == ("tagged", "unknown", "unknown", sentiment)
    assert {doubt.reason for doubt in tags.unsure} == {Reason.RATING_ONLY}


def test_a_rating_tips_a_text_that_says_little(tagger: Tagger) -> None:
    texts = [TagInput(text="It came on Tuesday", rating=Rating(kind="stars", value=value)) for value in (1, 5)]
    assert [tags.sentiment for tags in tagger.tag(texts)] == ["negative", "positive"]


def test_nothing_at_all_is_unsure(tagger: Tagger) -> None:
    for text in (None, "", "   \n"):
        tags = one(tagger, text)
        assert tags.status == "unsure"
        assert {doubt.reason for doubt in tags.unsure} == {Reason.NO_TEXT}


def test_another_language_is_unsure_and_says_so(tagger: Tagger) -> None:
    german = one(tagger, "Die Lieferung kam drei Wochen zu spät und niemand hat sich entschuldigt")
    assert german.status == "unsure"
    assert {doubt.reason for doubt in german.unsure} == {Reason.LANGUAGE}
    assert one(tagger, "Delivery late").unsure != german.unsure


def test_what_employees_say_of_their_work_is_outside_the_journey(tagger: Tagger) -> None:
    tags = one(tagger, "Our rota changes at the last minute and the overtime is unpaid", author="employee")
    assert tags.stage == "unknown"
    assert "work-rota" in tags.themes


def test_answers_count_but_no_evidence_points_into_them(tagger: Tagger) -> None:
    tags = one(tagger, "Hm.", further=("The driver marked it delivered and nothing is here",))
    assert tags.stage == "receive"
    assert all(span.end <= 3 for span in tags.evidence)


def test_order_and_company_change_nothing_on_the_fast_path(tagger: Tagger) -> None:
    texts = [text for text, *_ in PLAIN] * 8
    together = tagger.tag([TagInput(text=text, hurry=True) for text in texts])
    reversed_too = tagger.tag([TagInput(text=text, hurry=True) for text in reversed(texts)])[::-1]
    for tags, other in zip(together, reversed_too, strict=True):
        assert _but_for_rounding(tags) == _but_for_rounding(other)
        # sums over a batch may differ in the last bit, and a confidence by its last digit
        assert tags.stage_confidence == pytest.approx(other.stage_confidence, abs=0.0011)
    alone = one(tagger, texts[5], hurry=True)
    assert _but_for_rounding(alone) == _but_for_rounding(together[5])


def _but_for_rounding(tags: Tags) -> tuple[object, ...]:
    return (
        tags.stage,
        tags.secondary,
        tuple(tag.area for tag in tags.areas),
        tags.themes,
        tags.sentiment,
        tags.intent,
        tags.severity,
        tags.status,
        tags.evidence,
    )


def test_who_gets_the_second_look_depends_on_company_and_the_order_does_not(tagger: Tagger) -> None:
    texts = [text for text, *_ in PLAIN][:30]
    together = tagger.tag([TagInput(text=text) for text in texts])
    reversed_too = tagger.tag([TagInput(text=text) for text in reversed(texts)])[::-1]
    assert [tags.path for tags in together] == [tags.path for tags in reversed_too]
    for tags, other in zip(together, reversed_too, strict=True):
        assert (tags.stage, tags.areas[0].area, tags.themes) == (other.stage, other.areas[0].area, other.themes)
        assert tags.stage_confidence == pytest.approx(other.stage_confidence, abs=0.002)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400))
def test_any_text_gets_tags_that_hold_together(tagger: Tagger, text: str) -> None:
    tags = one(tagger, text)
    assert 1 <= len(tags.areas) <= MOST_AREAS
    assert len(tags.secondary) <= MOST_SECONDARY
    assert tags.stage not in tags.secondary
    assert len({tag.area for tag in tags.areas}) == len(tags.areas)
    assert 0 <= tags.stage_confidence <= 1
    for span in tags.evidence:
        assert 0 <= span.start < span.end <= len(text)
    doubtful = any(d.head in {"stage", "areas"} and d.reason != Reason.RATING_ONLY for d in tags.unsure)
    assert (tags.status == "unsure") == doubtful


@pytest.mark.parametrize(
    "piece",
    ["(", "a", "😀", "’", "http://", "not ", "delivery late ", "still waiting for ", "中文", "\ud800", "1.1.", "a-"],
)
def test_the_longest_allowed_text_of_anything_is_tagged_quickly(tagger: Tagger, piece: str) -> None:
    started = time.process_time()
    one(tagger, (piece * 20_000)[:20_000])
    assert time.process_time() - started < 2.0


def test_an_employee_on_their_own_work_is_outside_the_journey_and_one_who_reports_a_customer_is_not(
    tagger: Tagger,
) -> None:
    own, reported = tagger.tag(
        [
            TagInput(text="The new handheld scanners freeze all day and we miss our targets.", author="employee"),
            TagInput(text="A customer told me he gets logged out of our app when he pays.", author="employee"),
        ]
    )
    assert own.stage == "unknown"
    assert "work-tools" in own.themes
    assert reported.stage != "unknown"
