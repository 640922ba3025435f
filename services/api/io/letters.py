"""Dead letters: those that nobody replayed, one with its bytes, and putting one back where it came from."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from services.api.io import tables as db
from services.api.io.publisher import Publisher
from services.api.io.topic_reader import TopicReader
from services.contracts.codec import RawMessage, replayed
from services.contracts.topics import DEAD_LETTERS
from services.kit.settings import Settings


def open_letters(connection: Connection) -> list[Any]:
    """Letters that nobody replayed, newest first."""
    query = select(db.letters).where(db.letters.c.id.not_in(select(db.marks.c.id)))
    return list(
        connection.execute(query.order_by(db.letters.c.at.desc(), db.letters.c.id, db.letters.c.service).limit(1_000))
    )


def find_letter(settings: Settings, name: str) -> RawMessage | None:
    """One letter with its bytes, out of its topic. Raises Unavailable."""
    reader = TopicReader(settings, DEAD_LETTERS)
    found = None
    try:
        for batch in reader.batches(reader.ends()):
            for message in batch:
                if message.value is not None and message.header("dl_id") == name.encode():
                    found = message
    finally:
        reader.close()
    return found


def put_back(settings: Settings, name: str) -> str | None:
    """Writes a letter to the topic that it came from and marks it; answers the topic, None for an unknown letter. One
    mark serves every service that had put the message aside: all of them read it again. Raises Unavailable."""
    letter = find_letter(settings, name)
    if letter is None:
        return None
    publisher = Publisher(settings)
    try:
        original, mark = replayed(letter, at=datetime.now(UTC))
        publisher.send(original)
        publisher.send(mark)
        return original.topic
    finally:
        publisher.close()
