"""Figures and times as a person would say them. Pure words; knows neither the store nor HTML."""

from datetime import date, datetime
from math import ceil, floor

_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def about(value: float) -> str:
    """A number in a sentence: two, about a dozen, about 40."""
    if value <= 0:
        return "none"
    if value < 0.75:
        return "less than one"
    whole = round(value)
    if whole <= 10:
        return _SMALL[whole]
    if 11 <= whole <= 13:
        return "about a dozen"
    return f"about {round(value / 5) * 5 if value < 100 else round(value, -1):.0f}"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 customer`, `43 customers`, `1,200 customers`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def day(on: date, *, today: date) -> str:
    """`3 Nov`, with the year where it is not this one."""
    return f"{on.day} {on:%b}" if on.year == today.year else f"{on.day} {on:%b %Y}"


def ago(at: datetime, *, now: datetime) -> str:
    """`just now`, `5 min ago`, `yesterday`, `3 Nov`; times ahead as `in 3 days`."""
    seconds = (now - at).total_seconds()
    if seconds < 0:
        return f"in {_span(-seconds)}"
    if seconds < 45:
        return "just now"
    if seconds < 20 * 3600:
        return f"{_span(seconds)} ago"
    days = (now.date() - at.date()).days
    if days <= 1:
        return "yesterday" if days == 1 else f"{_span(seconds)} ago"
    return f"{days} days ago" if days < 14 else day(at.date(), today=now.date())


def _span(seconds: float) -> str:
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min"
    if seconds < 36 * 3600:
        hours = round(seconds / 3600)
        return f"{hours} hour" if hours == 1 else f"{hours} hours"
    days = round(seconds / 86400)
    return f"{days} day" if days == 1 else f"{days} days"


def due(at: datetime, *, now: datetime) -> str:
    """`due in 3 days`, `2 days late`."""
    seconds = (at - now).total_seconds()
    return f"due in {_span(seconds)}" if seconds >= 0 else f"{_span(-seconds)} late"


def change(now: float, before: float) -> str:
    """`+12 %`, `−40 %`, `about the same`; nothing where there is nothing to compare with."""
    if before <= 0:
        return ""
    share = (now - before) / before
    if abs(share) < 0.05:
        return "about the same"
    return f"{'+' if share > 0 else '−'}{abs(share):.0%}".replace("%", " %")


def percent(value: float) -> str:
    """`18 %`; what is little and not nothing is `< 1 %`."""
    return "<\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}%" if 0 < value < 0.005 else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def percent_range(low: float, high: float) -> str:
    """`14–23 %`: an interval, rounded outwards, so that it never promises more than it holds."""
    least, most = floor(100 * low + _ROUNDING), ceil(100 * high - _ROUNDING)
    return f"{least}\N{NO-BREAK SPACE}%" if least == most else f"{least}–{most}\N{NO-BREAK SPACE}%"


_ROUNDING = 1e-6


def confidence(value: float) -> str:
    """A calibrated probability in a word; the figure goes beside it."""
    if value >= 0.9:
        return "sure"
    if value >= 0.75:
        return "fairly sure"
    return "likely" if value >= 0.5 else "a guess"


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    trimmed = text.strip()
    if not trimmed:
        return ""
    ended = trimmed if trimmed[-1] in ".!?…”" else trimmed + "."
    return ended[0].upper() + ended[1:]


def first_sentence(text: str, *, limit: int = 140) -> str:
    """The beginning of a longer text, cut at a sentence or a word."""
    trimmed = " ".join(text.split())
    for position, letter in enumerate(trimmed[:limit]):
        if letter in ".!?" and position > 20 and trimmed[position + 1 : position + 2] in {"", " "}:
            return trimmed[:position]
    return trimmed.rstrip(".") if len(trimmed) <= limit else trimmed[:limit].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def cap(text: str) -> str:
    """With a capital."""
    return text[:1].upper() + text[1:]


def signed(value: float) -> str:
    """A whole number with its sign, as on a thermometer: +47, 0, −25."""
    whole = round(value)
    return "0" if whole == 0 else f"+{whole}" if whole > 0 else f"−{-whole}"
