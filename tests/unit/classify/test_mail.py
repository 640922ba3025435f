"""Mails: what others wrote is left out, in place, and what the writer said stays, whatever is thrown at it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classify.experience.mail import own_words
from services.classify.reading.text import MAX_CHARACTERS

SAID = "The parcel never came and nobody answers."
QUOTE = "On Mon, 2 Nov 2026 at 09:14, Support <help@shop.example> wrote:"
THEIRS = "We are very sorry that you were furious."

CASES = [
    ("a quoted reply", f"{SAID}\n\n{QUOTE}\n> {THEIRS}\n> Kind regards"),
    ("a quoted reply without marks", f"{SAID}\n\n{QUOTE}\n\n{THEIRS}\n\nMore of it."),
    ("a wrapped header",
     f"{SAID}\n\nOn Mon, 2 Nov 2026 at 09:14, Support at the Shop\n<help@shop.example> wrote:\n{THEIRS}"),
    ("quoted lines alone", f"> {THEIRS}\n> {THEIRS}\n\n{SAID}"),
    ("an answer between", f"{QUOTE}\n> {THEIRS}\n{SAID}\n> {THEIRS}"),
    ("an answer below", f"{QUOTE}\n> {THEIRS}\n>\n> {THEIRS}\n\n{SAID}"),
    ("an Outlook block",
     f"{SAID}\n\n________________________________\nFrom: Support <help@shop.example>\nSent: 2 November 2026\nTo: Me\n"
     f"Subject: RE: order\n\n{THEIRS}"),
    ("an original message", f"{SAID}\n\n-----Original Message-----\nFrom: Support\nTo: Me\n\n{THEIRS}"),
    ("a forwarded part", f"{SAID}\n\n---------- Forwarded message ---------\nFrom: Support\n\n{THEIRS}"),
    ("German", f"{SAID}\n\nAm 02.11.2026 um 09:14 schrieb Kundendienst <hilfe@shop.example>:\n\n{THEIRS}"),
    ("a German block",
     f"{SAID}\n\nVon: Kundendienst\nGesendet: Montag, 2. November 2026\nAn: Mich\nBetreff: AW: Paket\n\n{THEIRS}"),
    ("French", f"{SAID}\n\nLe lun. 2 nov. 2026 à 09:14, Service <aide@shop.example> a écrit :\n\n{THEIRS}"),
    ("Spanish", f"{SAID}\n\nEl lun, 2 nov 2026 a las 9:14, Soporte (<ayuda@shop.example>) escribió:\n\n{THEIRS}"),
    ("dashes and a signature", f"{SAID}\n-- \nJo Doe\nHead of Great Happiness\n+44 20 7946 0000"),
    ("a sign-off", f"{SAID}\n\nKind regards,\nJo Doe\nHappiness Ltd"),
    ("thanks and a name", f"{SAID}\n\nMany thanks\nJo"),
    ("a German sign-off", f"{SAID}\n\nMit freundlichen Grüßen\nJo Doe"),
    ("from a phone", f"{SAID}\n\nSent from my iPhone"),
    ("from a German phone", f"{SAID}\n\nVon meinem iPhone gesendet"),
    ("a sign-off and a phone", f"{SAID}\n\nRegards\nJo\n\nSent from my Galaxy"),
    ("a legal footer",
     f"{SAID}\n\nThis e-mail and any attachments are confidential and intended solely for the addressee.\n"
     "If you are not the intended recipient, please delete it.\n\n"
     "Registered in England no. 123456"),
    ("a notice behind a sign-off",
     f"{SAID}\n\nBest regards\nJo\n\nConfidentiality notice: "
     "this message and everything in it is for its addressee only."),
    ("a banner", f"[EXTERNAL] Take care with links and attachments.\n\n{SAID}"),
    ("a caution", f"CAUTION: This email originated from outside the organisation.\nDo not click links.\n\n{SAID}"),
    ("a picture", f"{SAID}\n[cid:image001.png@01DB.F00]\n[image: logo of great joy]"),
    ("an unsubscribe line", f"{SAID}\n\nUnsubscribe | View this email in your browser"),
    ("HTML", f"<html><body><div>{SAID}</div><img src='https://t.example/p.gif' width=1 height=1></body></html>"),
    ("an HTML quotation",
     f"<div>{SAID}</div><blockquote type=cite><p>{THEIRS}</p><blockquote>deep</blockquote></blockquote>"),
    ("an HTML reply", f'<div dir="ltr">{SAID}</div><br><div class="gmail_quote"><div>{QUOTE}<br></div>{THEIRS}</div>'),
    ("HTML lines", f"<p>{SAID}</p><p>Kind regards,<br>Jo Doe</p>"),
    ("a style sheet", f"<html><style>p {{ color: red }}</style><body><p>{SAID}</p></body></html>"),
]  # fmt: skip


@pytest.mark.parametrize("stored", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_only_what_the_writer_said_stays(stored: str) -> None:
    assert " ".join(own_words(stored).split()) == SAID


KEPT = [
    "Thanks,\nI only wanted to say that the new app is better than the old one in every way that I can think of.",
    "From: the start to the end a joy.\nTo: everybody who worked on it, thank you.",
    "On Monday I wrote: where is it?\nNobody answered.",
    "> 3 weeks and counting.",
    "Best\nstay of my life.\nThe room was large and quiet, and the breakfast was very good too, every single morning.",
    "- the bed\n- the lamp\nboth broken",
    "Warning signs everywhere, yet I slipped.",
    "I am not the intended recipient of this parcel.",
    "Sent from my kitchen, this chair was sent back twice already and I am tired of waiting for the one that I did "
    "order in the first place, so please get on with it.",
    "Am I the only one who wrote to you?",
]  # fmt: skip


@pytest.mark.parametrize("stored", KEPT)
def test_what_only_looks_like_a_mark_stays(stored: str) -> None:
    assert own_words(stored) == stored


def test_who_forwards_something_without_a_word_lets_it_speak() -> None:
    forwarded = f"---------- Forwarded message ---------\nFrom: Jo\nTo: Us\nSubject: parcel\n\n{SAID}"
    assert " ".join(own_words(forwarded).split()) == SAID


def test_words_behind_a_sign_off_that_go_on_are_kept() -> None:
    stored = f"{SAID}\n\nRegards\nJo\nPS: The driver was rude as well."
    assert own_words(stored).split() == f"{SAID} PS: The driver was rude as well.".split()


PIECES = st.sampled_from(
    ["words", " ", "\n", "\n\n", "> ", "On 2 Nov Jo wrote:", "From: a", "To: b", "Subject: c", "-- ", "Regards,",
     "Sent from my iPhone", "<blockquote>", "</blockquote>", "<div class='gmail_quote'>", "<p>", "[cid:", "]", "<",
     "-----Original Message-----", "This e-mail is confidential", "‹card number›", "é", "\u2028", "&gt;", "<!--"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join))
def test_everything_that_stays_stands_where_it_stood(stored: str) -> None:
    own = own_words(stored)
    assert len(own) == len(stored)
    assert all(now in {was, " ", "\n"} for was, now in zip(stored, own, strict=True))
    assert any(map(str.isalpha, own)) or not any(map(str.isalpha, own_words(f"<p>{stored}")))


@pytest.mark.parametrize(
    "piece",
    ["\n", ">", "> \n", "On 1 ", "On 1\n", "From: a\n", "To: a\n", "Regards\n", "--\n", "<blockquote>", "<div ", "<p>",
     "[cid:", "[image: ", "This e-mail ", "-", "_", "*", "Sent from my ", "a\n\n", "Am 1 schrieb ", "=-_* ", "<!--"],
)  # fmt: skip
def test_the_longest_allowed_text_of_anything_is_quick(piece: str) -> None:
    stored = (piece * MAX_CHARACTERS)[:MAX_CHARACTERS]
    started = time.process_time()
    own_words(stored)
    own_words("<p>" + stored[3:])
    assert time.process_time() - started < 1.0
