"""Transcripts: whose words are whose, in the shapes that chats come in, and what is no transcript at all."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classify.experience.said import said
from services.classify.experience.transcript import turns_of
from services.classify.reading.text import MAX_CHARACTERS
from services.contracts.events import Turn

SAID = "My parcel never came."
THEIRS = "I am so sorry that this is a disaster."

SHAPES = [
    ("roles", f"Agent: {THEIRS}\nCustomer: {SAID}"),
    ("a bot", f"Bot: {THEIRS}\nCustomer: {SAID}\nAgent: {THEIRS}"),
    ("names and roles", f"[12:04] Anna (support): {THEIRS}\n[12:05] Jo (customer): {SAID}"),
    ("roles before names", f"Agent Anna: {THEIRS}\nVisitor 4411: {SAID}"),
    ("roles after names", f"Anna, Agent: {THEIRS}\nJo, Customer: {SAID}"),
    ("seconds since the start", f"( 2s ) Agent Anna: {THEIRS}\n( 1m 12s ) Jo: {SAID}"),
    ("times without brackets", f"12:04:31 - Agent: {THEIRS}\n12:05:02 - Visitor: {SAID}"),
    ("days and times", f"2026-11-02 12:04:31 Agent: {THEIRS}\n2026-11-02 12:05:02 Visitor: {SAID}"),
    ("half days", f"(12:04 PM) Support Agent: {THEIRS}\n(12:05 PM) Me: {SAID}"),
    ("the service beside a customer", f"Customer: {SAID}\nSupport: {THEIRS}"),
    ("Markdown", f"**Agent:** {THEIRS}\n**Customer:** {SAID}"),
    ("names that offer help", f"[12:04] Anna: Hello, how can I help?\n[12:05] Jo: {SAID}"),
    ("names without times", f"Anna: How may I help you today?\nJo: {SAID}\nAnna: {THEIRS}"),
    ("turns of several lines", f"Agent: {THEIRS}\n{THEIRS}\nCustomer: My parcel\nnever came.\nAgent: {THEIRS}"),
    ("lines of the system", f"Chat Started: Monday\n*** Anna joined the chat ***\nAgent: {THEIRS}\nUser: {SAID}"),
    ("German", f"Mitarbeiterin: {THEIRS}\nKunde: {SAID}"),
    ("HTML", f"<p>Agent: {THEIRS}</p><p>Customer: {SAID}</p>"),
]


@pytest.mark.parametrize("stored", [shape[1] for shape in SHAPES], ids=[shape[0] for shape in SHAPES])
def test_only_the_customer_speaks_for_the_customer(stored: str) -> None:
    found = said(stored)
    assert " ".join(found.by_customer.split()) == SAID
    assert "parcel" in found.all_of_it
    assert THEIRS in found.all_of_it or "help" in found.all_of_it
    assert not any(word in found.all_of_it for word in ("Agent:", "Customer", "Anna", "12:04", "Visitor"))


@pytest.mark.parametrize(
    "stored",
    [
        "Service: slow\nFood: cold\nStaff: rude\nTeam: none",
        "Customer service: bad\nDelivery: late\nPrice: high",
        "Pros: cheap\nCons: broke at once\nPros again: none",
        "Ordered at 12:04: nothing came.\nAsked at 13:00: no answer.",
        "The agent said: go away. I said: no.",
        "Agent: rude\nManager: ruder",
        "Note: I wrote twice.\nNote: nobody answered.\nNote: I give up.",
        "https://shop.example: never again",
        "Delivery: 2\nCustomer: me",
    ],
)
def test_what_only_looks_like_turns_is_read_whole(stored: str) -> None:
    assert said(stored) == (stored, stored)


def test_turns_that_came_as_such_are_not_guessed() -> None:
    stored = f"Customer: {SAID}\nAgent: Customer: {THEIRS}"
    start = stored.index("Customer: I am")
    turns = (Turn(by="customer", start=10, end=10 + len(SAID)), Turn(by="agent", start=start, end=len(stored)))
    found = said(stored, turns=turns)
    assert " ".join(found.by_customer.split()) == SAID
    assert " ".join(found.all_of_it.split()) == f"{SAID} Customer: {THEIRS}"


def test_a_message_by_an_agent_has_no_word_of_the_customer() -> None:
    found = said(f"{THEIRS}\n\nKind regards\nAnna", author="agent")
    assert found.all_of_it.split() == THEIRS.split()
    assert not found.by_customer.strip()


PIECES = st.sampled_from(
    ["Agent: ", "Customer: ", "\n", "[12:04] ", "Anna (support): ", "words", ": ", "( 2s ) ", "how can I help", "Jo: ",
     "<p>", "> ", "On 2 Nov Jo wrote:\n", "\u2028", "İ: ", "Bot: ", "*** x joined the chat ***"]
)  # fmt: skip


@given(
    st.lists(PIECES, max_size=40).map("".join),
    st.lists(st.tuples(st.integers(-5, 99), st.integers(-5, 99)), max_size=4),
    st.sampled_from(["customer", "agent"]),
)
def test_everything_that_stays_stands_where_it_stood(stored: str, spans: list[tuple[int, int]], author: str) -> None:
    turns = [Turn(by="agent", start=start, end=end) for start, end in spans]
    found = said(stored, author=author, turns=turns)  # type: ignore[arg-type]  # one of the two
    for read in found:
        assert len(read) == len(stored)
        assert all(now in {was, " ", "\n"} for was, now in zip(stored, read, strict=True))
    assert all(part in {whole, " "} for whole, part in zip(found.all_of_it, found.by_customer, strict=True))


@pytest.mark.parametrize("piece", ["a:\n", "[12:04] a: b\n", "Agent: ", "a b c:\n", "(", "[12:", "1:00 a", "\n", "a: "])
def test_the_longest_allowed_text_of_anything_is_quick(piece: str) -> None:
    stored = ("Agent: hello\nCustomer: hello\n" + piece * MAX_CHARACTERS)[:MAX_CHARACTERS]
    started = time.process_time()
    said(stored)
    turns_of(stored)
    assert time.process_time() - started < 1.0
