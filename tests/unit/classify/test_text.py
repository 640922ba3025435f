"""Cleaning: whatever is done to a text, spans come back into the stored one."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classify.reading.text import MAX_CHARACTERS, clean

PIECES = st.sampled_from(
    ["the parcel", " ", "\n", "don’t", "donâ€™t", "&amp;", "&#39;", "<b>", "</p>", "<p>", "‹card number›",
     "https://a.example/b", "@someone", "!!!!!!", "😀", "\ud800", "\x00", "İstanbul", "é", "<script>x</script>", "late",
     "中文", "&nope;", "\u200b"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join))
def test_every_span_points_into_the_stored_text(stored: str) -> None:
    cleaned = clean(stored)
    for start in range(len(cleaned.text)):
        low, high = cleaned.stored(start, start + 1)
        assert 0 <= low < high <= len(stored)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_a_plain_word_is_found_again_where_it_stood(stored: str) -> None:
    marked = f"{stored} zebra {stored}"
    cleaned = clean(marked)
    at = cleaned.text.find("zebra")
    if at >= 0:  # it may stand inside a tag or a script
        low, high = cleaned.stored(at, at + 5)
        assert "zebra" in marked[low:high]


@given(st.text(max_size=300))
def test_any_text_can_be_cleaned_and_encoded(stored: str) -> None:
    clean(stored).text.encode("utf-8")


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ("I donâ€™t like it", "I don't like it"),
        ("Tom &amp; Ann", "Tom & Ann"),
        ("see https://shop.example/x?y=1 now", "see now"),
        ("@palette_help where is it", "where is it"),
        ("card ‹card number› was charged", "card was charged"),
        ("<html><body><p>Late <b>again</b></p></body></html>", "Late again"),
        ("<p>a</p><script>if (x < 1) { steal() }</script><p>b</p>", "a b"),
        ("5 < 6 and 7 > 2", "5 < 6 and 7 > 2"),
        ("so bad!!!!!!!", "so bad!"),
    ],
)
def test_what_is_no_word_of_the_writer_is_left_out(stored: str, words: str) -> None:
    assert " ".join(clean(stored).text.split()) == words


@pytest.mark.parametrize(
    "piece", ["(", "a", "’", "😀", "<script", "<p ", "&amp;", "http://", "@a ", "â€™", "‹", "<!--", "!?", "&#"]
)
def test_the_longest_allowed_text_of_anything_is_quick(piece: str) -> None:
    stored = (piece * MAX_CHARACTERS)[:MAX_CHARACTERS]
    started = time.process_time()
    clean(stored)
    assert time.process_time() - started < 1.0
