"""Answers: read with their questions, on every scale, and what says nothing is nothing."""

import pytest

from services.classify.experience import answers
from services.classify.experience.answers import Asked, Subject, adjusted
from services.classify.experience.parts import Part, tag
from services.classify.tagging.tagger import Tagger
from services.contracts.events import Answer, AreaTag, Rating, Tags, Unsure, Versions


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        (Answer(question="How was delivery?", kind="scale", value=1, max=5), 0.0),
        (Answer(question="How was delivery?", kind="scale", value=5, max=5), 1.0),
        (Answer(question="How was delivery?", value=5, max=10), 0.5),
        (Answer(question="How was delivery?", kind="nps", value=10), 1.0),
        (Answer(question="How was delivery?", kind="stars", value=2), 0.25),
        (Answer(question="How was delivery?", value="very dissatisfied"), 0.0),
        (Answer(question="How was delivery?", value=" Good "), 0.75),
        (Answer(question="How was delivery?", value="4 out of 5"), 0.8),
        (Answer(question="How was delivery?", value="3/10 stars"), 0.3),
        (Answer(question="Greeted within two minutes?", kind="yes_no", value=True), 1.0),
        (Answer(question="Was your issue resolved?", value="No"), 0.0),
        (Answer(question="Was anything missing or damaged?", value=True), 0.0),
        (Answer(question="Did you have any problem?", value="no"), 1.0),
    ],
)
def test_an_answer_stands_on_its_scale(answer: Answer, share: float) -> None:
    (asked,) = answers.read([answer])
    assert asked.share == pytest.approx(share)
    assert asked.text is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(question="What could we do better?", text=text)
        for text in (
            "n/a",
            "N.A.",
            "none",
            "Nothing",
            "-",
            "...",
            " ",
            "no",
            "No comment",
            "nothing to add",
            "nichts",
            "x",
        )
    ]
    + [
        Answer(question="How much did you pay?", value=4200),
        Answer(question="In which year were you born?", kind="number", value=1971),
        Answer(question="Did you use the app?", value=False),
        Answer(question="Anything else you would like to tell us?", value="No"),
        Answer(question="Order number", value="7731"),
        Answer(question="How was delivery?"),
        Answer(question="How was delivery?", value=9, max=5),
    ],
    ids=lambda answer: str(answer.text or answer.value),
)
def test_what_says_nothing_is_nothing(answer: Answer) -> None:
    assert answers.read([answer]) == []


def test_words_are_words_wherever_they_stand() -> None:
    given = [
        Answer(question="What could we do better?", text="Answer the phone."),
        Answer(question="Why did you contact us?", value="My bill was wrong"),
        Answer(question="How was delivery?", value=2, max=5, text="Two days late"),
    ]
    asked = answers.read(given)
    assert answers.texts_of(asked) == ("Answer the phone.", "My bill was wrong", "Two days late")
    assert [one.wish for one in asked] == ["suggestion", None, None]


@pytest.mark.parametrize(
    ("shares", "value"),
    [([("How was delivery?", 0.0)], 1.0), ([("How was delivery?", 0.0), ("Staff?", 1.0)], None), ([], None),
     ([("How was delivery?", 0.0), ("Overall, how satisfied are you?", 0.75)], 4.0),
     ([("How was delivery?", 0.25), ("Staff?", 0.5)], 2.5)],
)  # fmt: skip
def test_altogether_is_what_they_say_of_the_whole_or_what_all_lean_to(
    shares: list[tuple[str, float]], value: float | None
) -> None:
    asked = answers.read([Answer(question=question, value=1 + 4 * share, max=5) for question, share in shares])
    assert answers.rating_of(asked) == (None if value is None else Rating(kind="csat", value=value, max=5))


BASE = Tags(
    stage="unknown", stage_confidence=1.0, areas=(AreaTag(area="unknown", confidence=1.0),), sentiment="neutral",
    sentiment_confidence=0.9, intent="other", intent_confidence=0.5, severity=0, severity_confidence=0.6,
    status="unsure", unsure=(Unsure(head="stage", reason="rating_only"), Unsure(head="areas", reason="rating_only")),
    versions=Versions(model="m", taxonomy="t"),
)  # fmt: skip
SUBJECTS = {
    "delivery": Subject("receive", 0.9, "fulfilment", 0.9),
    "staff": Subject("use", 0.6, "people", 0.8),
    "price": Subject(None, 0.3, "price", 0.7),
    "who": Subject(None, 0.2, None, 0.2),
}


def asked(question: str, share: float | None = None, text: str | None = None) -> Asked:
    return Asked(question, share, text, None, of_the_whole=False)


def test_the_worst_answer_names_the_stage_and_what_stands_out_the_areas() -> None:
    given = [asked("staff", 1.0), asked("price", 0.5), asked("who", 0.0), asked("delivery", 0.0)]
    found = adjusted(BASE, given, SUBJECTS, has_text=False)
    assert (found.stage, [tag.area for tag in found.areas]) == ("receive", ["fulfilment", "people"])
    assert (found.sentiment, found.status, found.unsure) == ("mixed", "tagged", ())


def test_where_nothing_stands_out_every_subject_counts() -> None:
    found = adjusted(BASE, [asked("staff", 0.5), asked("price", 0.5)], SUBJECTS, has_text=False)
    assert [tag.area for tag in found.areas] == ["people", "price"]
    assert found.sentiment == "neutral"


def test_what_the_text_says_for_sure_comes_first() -> None:
    sure = Tags(**{name: getattr(BASE, name) for name in Tags.__struct_fields__} | {
        "stage": "pay", "areas": (AreaTag(area="policy", confidence=0.8),), "unsure": (), "status": "tagged",
    })  # fmt: skip
    found = adjusted(sure, [asked("delivery", 0.0), asked("price", 1.0)], SUBJECTS, has_text=True)
    assert (found.stage, found.sentiment) == ("pay", "neutral")
    assert [tag.area for tag in found.areas] == ["policy", "fulfilment", "price"]


@pytest.mark.parametrize(
    ("given", "stage", "areas", "sentiment"),
    [
        ([Answer(question="How was delivery?", value=1, max=5)], "receive", ["fulfilment"], "negative"),
        ([Answer(question="How friendly was our staff?", kind="stars", value=5)], "use", ["people"], "positive"),
        (
            [
                Answer(question="How was delivery?", value=1, max=5),
                Answer(question="How friendly was our staff?", value=5, max=5),
                Answer(question="How likely are you to recommend us?", kind="text", value="n/a"),
            ],
            "receive", ["fulfilment", "people"], "mixed",
        ),
    ],
)  # fmt: skip
def test_a_survey_of_numbers_says_where_and_how(
    tagger: Tagger, given: list[Answer], stage: str, areas: list[str], sentiment: str
) -> None:
    (told,) = tag([[Part(answers=tuple(given))]], tagger)
    assert (told.tags.stage, [a.area for a in told.tags.areas], told.tags.sentiment) == (stage, areas, sentiment)
    assert told.tags.status == "tagged"


def test_what_they_would_change_is_a_suggestion(tagger: Tagger) -> None:
    part = Part(answers=(Answer(question="What could we do better?", text="Longer opening hours on Sundays"),))
    (told,) = tag([[part]], tagger)
    assert told.tags.intent == "suggestion"


def test_a_survey_that_says_nothing_is_unsure_and_one_with_a_rating_is_not(tagger: Tagger) -> None:
    nothing = (Answer(question="What could we do better?", text="n/a"),)
    (told,), (rated,) = (tag([[part]], tagger) for part in (
        Part(answers=nothing), Part(answers=nothing, rating=Rating(kind="nps", value=9)),
    ))  # fmt: skip
    assert (told.tags.status, rated.tags.status, rated.tags.sentiment) == ("unsure", "tagged", "positive")
