"""What a person types while onboarding."""

import pytest

from services.classify.commands import Heard, heard

STAGES = ("discover", "choose", "buy", "receive", "set_up", "use", "pay", "get_help", "resolve", "leave", "stay")
AREAS = ("brand", "product", "price", "digital", "place", "people", "service", "fulfilment", "policy", "unknown")
GUESS = Heard("use", ("product", "service"))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", GUESS),
        ("y", GUESS),
        ("g", Heard("pay", ("product", "service"))),
        ("g3", Heard("pay", ("price",))),
        (" G 3 9 ", Heard("pay", ("price", "policy"))),
        ("71", Heard("use", ("service", "brand"))),
        ("3 3", Heard("use", ("price",))),
        ("a0", Heard("discover", ("unknown",))),
    ],
)
def test_enter_confirms_a_letter_is_a_stage_and_digits_are_areas(typed: str, meant: Heard) -> None:
    assert heard(typed, guess=GUESS, stages=STAGES, areas=AREAS) == meant


@pytest.mark.parametrize("typed", ["?", "gg", "1234", "pay", "z", "g!", "-1"])
def test_what_cannot_be_read_is_asked_again(typed: str) -> None:
    assert heard(typed, guess=GUESS, stages=STAGES, areas=AREAS) is None
