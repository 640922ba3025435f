"""The ordered table of rules: first match wins, themes lead to owners, everything has somebody."""

import pytest

from services.contracts.events import FeedbackClassified, Rating, Unsure
from services.contracts.rules import REASONS, decide, explain, groups_of
from tests.unit.router.builders import classified, shipped_policy, tags


def decided(event: FeedbackClassified) -> list[tuple[str, str]]:
    return [(decision.rule, decision.reason) for decision in decide(event, shipped_policy())]


def teams(event: FeedbackClassified) -> dict[str, str]:
    return {group: plan.team for group, plan in groups_of(decide(event, shipped_policy())).items()}


def test_a_known_theme_groups_by_theme_and_region_and_goes_to_its_owner() -> None:
    assert teams(classified()) == {"cause.improvement/theme:driver-marked-delivered/region:north": "delivery"}


def test_without_a_theme_the_cell_groups_and_the_area_owns() -> None:
    event = classified(tags={"themes": (), "stage": "pay", "areas": ("price", "digital")}, attributes={})
    assert teams(event) == {"cause.improvement/cell:pay.price": "billing"}


def test_two_problems_told_in_one_text_reach_two_owners() -> None:
    event = classified(tags={"themes": ("delivery-late", "nobody-answers", "delivery-good")}, attributes={})
    assert teams(event) == {
        "cause.improvement/theme:delivery-late": "delivery",
        "cause.improvement/theme:nobody-answers": "care",
    }


def test_what_nobody_owns_goes_to_triage() -> None:
    event = classified(tags={"themes": (), "stage": "use", "areas": ("unknown",)}, attributes={})
    assert teams(event) == {"cause.improvement/cell:use.unknown": "triage"}


def test_unknown_ids_of_the_taxonomy_are_ignored() -> None:
    event = classified(tags={"themes": ("brand-new",), "stage": "orbit", "areas": ("moon",)}, attributes={})
    assert teams(event) == {"cause.improvement/cell:orbit.moon": "triage"}


def test_attribute_values_differ_neither_by_case_nor_break_a_group() -> None:
    north = classified(attributes={"region": " North "})
    odd = classified(attributes={"region": "a/b\x1fc:d"})

    assert list(teams(north)) == ["cause.improvement/theme:driver-marked-delivered/region:north"]
    assert list(teams(odd)) == ["cause.improvement/theme:driver-marked-delivered/region:a%2Fb%1Fc%3Ad"]


def test_danger_calls_the_customer_and_mends_the_cause() -> None:
    found = {"severity": 3, "severity_kind": "safety", "themes": ("unsafe-product",)}
    event = classified(tags=found, customer="p1")

    assert decided(event) == [("danger", "recovery"), ("whoever-owns-it", "cause")]
    assert teams(event) == {
        "recovery.improvement/customer:p1": "quality",
        "cause.improvement/theme:unsafe-product/region:north": "quality",
    }


def test_danger_of_a_stranger_is_a_group_of_its_own() -> None:
    event = classified(id="e-9", customer=None, tags={"severity": 3, "severity_kind": "safety"})
    assert "recovery.improvement/event:e-9" in teams(event)


def test_unsure_events_wait_for_a_look_but_danger_does_not() -> None:
    unsure = {"status": "unsure", "unsure": (Unsure(head="stage", reason="close"),)}
    danger = {**unsure, "severity": 3, "severity_kind": "safety"}
    doubtful = {**danger, "unsure": (Unsure(head="severity", reason="close"),)}

    assert decided(classified(tags=unsure)) == [("needs-a-look", "needs_a_look")]
    assert decided(classified(tags=danger)) == [("danger", "recovery"), ("needs-a-look", "needs_a_look")]
    assert decided(classified(tags=doubtful)) == [("needs-a-look", "needs_a_look")]


@pytest.mark.parametrize(
    ("event", "rule", "reason"),
    [
        (classified(tags={"sentiment": "positive", "intent": "praise", "severity": 0}), "praise", "praise"),
        (classified(tags={"sentiment": "neutral", "intent": "request"}), "quiet", "nothing_to_do"),
        (classified(tags={"sentiment": "neutral", "intent": "question"}), "questions", "cause"),
        (classified(tags={"intent": "suggestion", "themes": ("app-feature-wanted",)}), "suggestions", "cause"),
        (classified(channel="mystery_shop", author="shopper"), "mystery-shop", "cause"),
        (classified(author="employee", channel="employee", tags={"stage": "unknown"}), "own-people", "cause"),
        (classified(author="employee", channel="employee"), "whoever-owns-it", "cause"),
        (classified(tags={"stage": "set_up", "themes": ()}), "setting-up", "cause"),
        (classified(tags={"stage": "get_help", "areas": ("service",)}), "waiting-for-help", "cause"),
        (classified(tags={"areas": ("people",)}, attributes={"site": "n1"}), "in-the-shop", "cause"),
        (
            classified(tags={"stage": "unknown", "areas": ("unknown",), "themes": ()}),
            "poor-marks-without-words",
            "cause",
        ),
    ],
)
def test_each_kind_of_event_finds_its_rule(event: FeedbackClassified, rule: str, reason: str) -> None:
    assert decided(event) == [(rule, reason)]


def test_a_detractor_who_is_known_is_called_back() -> None:
    event = classified(rating=Rating(kind="nps", value=3, max=10), tags={"severity": 2}, customer="p1")

    assert decided(event)[0] == ("call-back", "recovery")
    assert teams(event)["recovery.improvement/customer:p1"] == "care"
    assert decided(classified(rating=Rating(kind="nps", value=4, max=10), tags={"severity": 2}))[0][0] != "call-back"
    stranger = classified(rating=Rating(kind="nps", value=3, max=10), tags={"severity": 2}, customer=None)
    assert decided(stranger)[0][0] != "call-back"


def test_suggestions_group_by_what_is_wished_for() -> None:
    event = classified(tags={"intent": "suggestion", "themes": ("app-slow", "app-feature-wanted")})
    assert next(iter(teams(event))) == "cause.innovation/theme:app-feature-wanted"


def test_the_sentence_for_people_uses_the_words_of_the_taxonomy() -> None:
    (plan,) = groups_of(decide(classified(), shipped_policy())).values()
    assert plan.ask == (
        "Find out what is behind “driver marked it delivered” (region north) and stop it from happening again."
    )


def test_the_plan_is_the_same_whatever_else_the_event_told_of() -> None:
    one = classified(tags={"stage": "receive"})
    other = classified(tags={"stage": "use", "areas": ("digital",)}, attributes={"region": "north"})
    assert groups_of(decide(one, shipped_policy())) == groups_of(decide(other, shipped_policy()))


def test_an_explanation_names_every_rule_that_was_tried_and_why() -> None:
    tried = explain(classified(), shipped_policy())

    assert [t.rule for t in tried][-1] == "whoever-owns-it"
    assert [t.matched for t in tried] == [False] * (len(tried) - 1) + [True]
    assert {t.rule: t.because for t in tried}["mystery-shop"] == "channel is survey, not mystery_shop"
    assert {t.rule: t.because for t in tried}["danger"] == "severity is 1, below 3"
    assert {t.rule: t.because for t in tried}["praise"] == "sentiment is negative, not positive"
    assert tried[-1].because == "sentiment is negative"
    assert tried[-1].stops


def test_an_explanation_comes_to_what_was_decided() -> None:
    event = classified(tags={"severity": 3, "severity_kind": "fraud"})
    told = [tried.decision for tried in explain(event, shipped_policy()) if tried.decision is not None]

    assert tuple(told) == decide(event, shipped_policy())
    assert {decision.reason for decision in told} <= set(REASONS)


def test_an_exception_is_told_as_one() -> None:
    event = classified(tags=tags(severity=3, severity_kind="safety", unsure=(Unsure(head="severity", reason="close"),)))
    told = {tried.rule: tried.because for tried in explain(event, shipped_policy())}
    assert told["danger"] == "except when unsure is severity"
