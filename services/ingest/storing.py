"""A valid event -> its stored form: texts cleaned and masked, a pseudonym, defaults filled. Judges nothing."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from services.contracts import events as e
from services.ingest.masking import Masked, Masker, Pseudonyms

BACKFILL_AFTER = timedelta(hours=24)
MOST_CHARACTERS = 20_000
"""Of a text, and of the turns of a transcript together."""
MOST_PER_TURN = len("Customer: \n")
"""What storing adds to a turn: who spoke, and a line feed."""
TOPS: Mapping[str, float] = {"nps": 10, "csat": 5, "ces": 7, "stars": 5, "thumbs": 1}
"""Where each scale ends unless the sender says otherwise, which only csat allows."""
_ASKED_FOR = frozenset({"survey", "mystery_shop"})
_AUTHORS: Mapping[str, e.Author] = {"mystery_shop": "shopper", "employee": "employee"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Storing:
    """One event on its way to its stored form: its own ids are hidden wherever they stand in its texts."""

    def __init__(self, event: dict[str, Any], *, masker: Masker, pseudonyms: Pseudonyms, region: str | None) -> None:
        self._event = event
        self._masker = masker
        self._pseudonyms = pseudonyms
        self._region = region
        customer_id = event["customer"]["id"].strip() if "customer" in event else ""
        self._customer = pseudonyms.of(customer_id)
        self._own = [(customer_id, "customer_id")] if self._customer is not None else []
        if "case" in event:
            self._own.append((event["case"]["id"], "case_id"))

    def stored(self, id: str, *, occurred_at: datetime, received_at: datetime, mode: e.Mode) -> e.FeedbackReceived:
        event, channel = self._event, self._event["channel"]
        (text, masks), turns = self._said(event)
        case = event.get("case")
        return e.FeedbackReceived(
            id=id,
            source=event["source"],
            source_id=event["id"],
            channel=channel,
            occurred_at=occurred_at,
            received_at=received_at,
            text=text or None,
            masks=masks,
            rating=_rating(event.get("rating")),
            answers=tuple(map(self._answer, event.get("answers", ()))),
            customer=self._customer,
            language=event.get("language"),
            attributes={self._value(k): self._value(v) for k, v in event.get("attributes", {}).items()},
            case=e.Case(id=case["id"], state=case.get("state")) if case is not None else None,
            may_contact=event.get("may_contact"),
            segment=self._value(event["segment"]) if "segment" in event else None,
            solicited=event.get("solicited", channel in _ASKED_FOR),
            author=event.get("author", _AUTHORS.get(channel, "customer")),
            conversation_id=self._conversation(event.get("conversation_id")),
            turns=turns,
            mode=_mode(mode, occurred_at, received_at),
        )

    def _said(self, event: dict[str, Any]) -> tuple[Masked, tuple[e.Turn, ...]]:
        """The stored text; of a transcript one line and more for each turn, masked turn by turn."""
        if "turns" not in event:
            return self._text(event.get("text", "")), ()
        lines: list[str] = []
        masks: list[e.Mask] = []
        turns: list[e.Turn] = []
        length = 0
        for given in event["turns"]:
            said = self._text(given["text"])
            if not said.text:
                continue
            speaker = f"{given['by'].capitalize()}: "
            start = length + len(speaker)
            end = start + len(said.text)
            at = datetime.fromisoformat(given["at"].upper()).astimezone(UTC) if "at" in given else None
            turns.append(e.Turn(by=given["by"], start=start, end=end, at=at))
            masks += [e.Mask(start=start + m.start, end=start + m.end, kind=m.kind) for m in said.masks]
            lines.append(speaker + said.text)
            length = end + 1
        return Masked("\n".join(lines), tuple(masks)), tuple(turns)

    def _conversation(self, given: str | None) -> str | None:
        """What ties messages together: not a word that stands for none, and no personal data."""
        if given is None or self._pseudonyms.of(given) is None:
            return None  # "0" or "n/a" would make one conversation of many strangers
        return given if self._value(given) == given else self._pseudonyms.of(given)

    def _text(self, text: str) -> Masked:
        return self._masker.mask(clean(text), own=self._own, region=self._region)

    def _value(self, value: str) -> str:
        return self._masker.mask_value(clean(value), own=self._own, region=self._region)

    def _answer(self, given: dict[str, Any]) -> e.Answer:
        value = given.get("value")
        return e.Answer(
            question=self._value(given["question"]),
            kind=self._value(given["kind"]) if "kind" in given else None,
            value=self._text(value).text if isinstance(value, str) else value,
            max=given.get("max"),
            text=self._text(given["text"]).text if "text" in given else None,
        )


def _rating(given: dict[str, Any] | None) -> e.Rating | None:
    if given is None:
        return None
    return e.Rating(kind=given["kind"], value=given["value"], max=given.get("max", TOPS[given["kind"]]))


def _mode(asked: e.Mode, occurred_at: datetime, received_at: datetime) -> e.Mode:
    if asked == "live" and received_at - occurred_at > BACKFILL_AFTER:
        return "backfill"
    return asked


def clean(text: str) -> str:
    """The text without control characters; line feeds and tabs stay. White space alone is nothing."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _CONTROL.search(text):
        text = _CONTROL.sub("", text)
    return text if not text.isspace() else ""
