"""Personal data is found where it stands, what only looks like it stays, and every mask points at its placeholder."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.masking import PLACEHOLDERS, Masker, Pseudonyms

MASKER = Masker()
OWN = (("C-77812", "customer_id"), ("T-4711", "case_id"))

FOUND = [
    ("write to jo.o'neil+x@mail.example.co.uk.", "write to ‹e-mail address›."),
    ("jo@bücher.example or JO%40mail.example", "‹e-mail address› or ‹e-mail address›"),
    ("card 4111 1111 1111 1111 12/27", "card ‹card number› 12/27"),
    ("card 4111-1111-1111-1111.", "card ‹card number›."),
    ("card 4111111111111111", "card ‹card number›"),
    ("amex 3782 822463 10005", "amex ‹card number›"),
    ("４１１１ １１１１ １１１１ １１１１", "‹card number›"),
    ("4111\u00a01111\u00a01111\u00a01111", "‹card number›"),
    ("to GB82 WEST 1234 5698 7654 32 please", "to ‹bank account› please"),
    ("iban de89370400440532013000!", "iban ‹bank account›!"),
    ("ring 07700 900123 / 020 7946 0958", "ring ‹phone number› / ‹phone number›"),
    ("call +44 (0)20 7946 0958", "call ‹phone number›"),
    ("+49 30 901820, 0049 30 901820", "‹phone number›, ‹phone number›"),
    ("(555) 555-0142 or 555-555-0142", "‹phone number› or ‹phone number›"),
    ("my number 4155552671", "my number ‹phone number›"),
    ("SSN 123-45-6789", "SSN ‹national id›"),
    ("my NINO is AB 12 34 56 C", "my NINO is ‹national id›"),
    ("NHS number 943 476 5919", "NHS number ‹national id›"),
    ("Steuer-ID 36 574 261 809", "Steuer-ID ‹national id›"),
    ("dni 12345678Z, nie X-1234567-L", "dni ‹national id›, nie ‹national id›"),
    ("bsn 111222333", "bsn ‹national id›"),
    ("85.07.30-033.28", "‹national id›"),
    ("I am C-77812 (c-77812), case T-4711", "I am ‹customer id› (‹customer id›), case ‹case number›"),
]

LEFT = [
    "Order 10023456 of 2 November, 1,200.50 in all.",
    "order 4155552671 is late",
    "on 2025-03-21 14:30 and 01.02.2026 10:30",
    "LS12 4AB, model XK-4411111111111111-B",
    "4111 1111 1111 1112",
    "GB82 WEST 1234 5698 7654 33",
    "T-47119 and AC-77812x",
    "I waited 3 weeks, 2 calls, 100 000 000 times",
    "see @palette and a@b",
    "",
]


@pytest.mark.parametrize(("text", "masked"), FOUND)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert MASKER.mask(text, own=OWN).text == masked


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert MASKER.mask(text, own=OWN).text == text


def test_an_own_id_inside_a_longer_find_leaves_no_end_of_it() -> None:
    assert MASKER.mask("card 4111 1111 1111 1111 ok", own=[("1111", "customer_id")]).text == "card ‹card number› ok"
    assert MASKER.mask("to jo@mail.example.", own=[("mail.example", "customer_id")]).text == "to ‹e-mail address›."


def test_in_a_short_value_bare_digits_are_an_id() -> None:
    assert MASKER.mask_value("07700900123") == "07700900123"
    assert MASKER.mask_value("+447700900123") == "‹phone number›"
    assert MASKER.mask_value("jo@mail.example") == "‹e-mail address›"
    assert MASKER.mask_value("4111111111111111") == "‹card number›"


def test_the_source_region_reads_its_own_numbers() -> None:
    assert Masker(["GB"]).mask("Tel. 912 345 678").text == "Tel. 912 345 678"
    assert Masker(["GB"]).mask("Tel. 912 345 678", region="ES").text == "Tel. ‹phone number›"


_pieces = st.one_of(
    st.sampled_from([text for text, _ in FOUND]),
    st.text(max_size=30),
    st.sampled_from(["\u200b", "🙂", "é", "\n", "4111 ", "07700 ", "+", "@", "İ"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_pieces, max_size=8).map("".join))
def test_masks_point_at_placeholders_and_the_rest_is_untouched(text: str) -> None:
    masked = MASKER.mask(text, own=OWN)
    position, rest = 0, []
    for mask in masked.masks:
        assert mask.start >= position
        assert masked.text[mask.start : mask.end] == PLACEHOLDERS[mask.kind]
        rest.append(masked.text[position : mask.start])
        position = mask.end
    rest.append(masked.text[position:])
    place = 0
    for kept in rest:  # what is kept stands in the original, in the same order
        place = text.index(kept, place) + len(kept)


@settings(max_examples=50, deadline=None)
@given(before=st.text(max_size=40), after=st.text(max_size=40))
def test_a_mail_address_is_found_whatever_stands_around_it(before: str, after: str) -> None:
    assert "jo.bloggs@mail.example" not in MASKER.mask(f"{before} jo.bloggs@mail.example {after}").text


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "a",
        "1 2-",
        "GB82 ",
        "07700 900123 ",
        "4111 1111 1111 1111 ",
        "(+",
        "AB123456 ",
        "4 ",
        "a@b.cc ",
        "%40",
        "a@",
    ],
)
def test_the_worst_texts_take_no_longer_than_their_length_allows(piece: str) -> None:
    text = (piece * 20_000)[:20_000]
    began = time.process_time()
    MASKER.mask(text)
    assert time.process_time() - began < 3.0  # quadratic ones take minutes


def test_a_text_full_of_numbers_is_masked_all_the_same() -> None:
    assert "900123" not in MASKER.mask("07700 900123 " * 1_500).text


@pytest.mark.parametrize("nobody", ["", " ", "0", "Anonymous", "N/A", "none", "NULL", "unknown", "-"])
def test_an_id_that_names_nobody_has_no_pseudonym(nobody: str) -> None:
    assert Pseudonyms(b"k" * 32).of(nobody) is None


def test_a_pseudonym_depends_on_key_and_id_only() -> None:
    first, again, other = (Pseudonyms(key).of("Zoë ") for key in (b"a" * 32, b"a" * 32, b"b" * 32))
    assert first == again != other
    assert first == Pseudonyms(b"a" * 32).of("Zoe\u0308")
    assert first is not None
    assert "Zo" not in first


@pytest.mark.parametrize("part", ["(4", "5-", "(1", "4 ", "1\u200d", "4444 ", "+1 2 3 4 5 6 7 8 9 ", "A1-"])
def test_a_text_made_of_beginnings_costs_little_more_than_its_length(part: str) -> None:
    text = (part * 20_000)[:20_000]
    MASKER.mask(text[:100])

    began = time.process_time()
    MASKER.mask(text)
    assert time.process_time() - began < 0.25  # judging each beginning took half a second
