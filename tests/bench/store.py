"""The projection into SQLite, and what pages and queries cost on what it made."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.api.io import feedback as read_feedback
from services.api.io import figures as sums
from services.api.io.projection import Projection
from services.api.io.store import Store, open_file
from services.api.project import read
from services.api.queries import FeedbackFilter
from services.contracts.codec import RawMessage
from services.contracts.events import AreaTag
from tests.bench.figures import Figure, percentile
from tests.unit.api.builders import Topics, classified, received

_EVENTS = 20_000
_BATCH = 500
_TEXTS = (
    "The driver marked it delivered but nothing is here, and nobody answers the phone. Case {}.",
    "Your app logs me out every time I reach the checkout, this is the {}th time.",
    "I was charged twice for order {} and want the second payment back.",
    "Lovely woman at desk {}, she sorted it out in two minutes.",
)
_STAGES, _AREAS = ("receive", "use", "pay", "get_help"), ("fulfilment", "digital", "price", "service")


def measure(folder: Path, cache: Path) -> list[Figure]:
    """Makes a store in `folder`. An event is two messages: as received, and its tags."""
    first, again = _messages()
    store = open_file(folder / "bench.sqlite")
    try:
        insert = _EVENTS / _timed(lambda: _project(store, first))
        repeat = _EVENTS / _timed(lambda: _project(store, first))
        retag = _EVENTS / _timed(lambda: _project(store, again))
        return [
            Figure("projection into SQLite, new events", insert, "events/s", "at least 5,000", insert >= 5_000),
            Figure("projection into SQLite, the same once more", repeat, "events/s"),
            Figure("projection into SQLite, newer tags", retag, "events/s"),
            *_reads(store),
        ]
    finally:
        store.close()


def _messages() -> tuple[list[RawMessage], list[RawMessage]]:
    start = datetime(2026, 9, 1, tzinfo=UTC)
    topics, first, again = Topics(), [], []
    for number in range(_EVENTS):
        kind = number % 4
        event = received(
            f"b-{number}",
            at=start + timedelta(seconds=300 * number),
            text=_TEXTS[kind].format(number),
            attributes={"region": ("north", "south", "west")[number % 3], "product": ("beds", "app")[number % 2]},
        )
        tags = classified(event, stage=_STAGES[kind], areas=(AreaTag(area=_AREAS[kind], confidence=0.8),))
        first += topics.put(event, tags)
        again += topics.put(classified(event, revision=2, stage=_STAGES[(kind + 1) % 4]))
    return first, again


def _project(store: Store, messages: Sequence[RawMessage]) -> None:
    projection = Projection(store, owner="bench")
    projection.claim({(m.topic, m.partition) for m in messages})
    for start in range(0, len(messages), _BATCH):
        projection.write(read(messages[start : start + _BATCH]))


def _reads(store: Store) -> list[Figure]:
    last = (datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=300 * _EVENTS)).date().toordinal()

    def listed(**asked: str) -> Callable[[], object]:
        def ask() -> object:
            with store.reading() as connection:
                return read_feedback.list_feedback(connection, store, FeedbackFilter(**asked), limit=50, after=None)

        return ask

    def cells() -> object:
        with store.reading() as connection:
            return sums.cells(connection, last - 27, last)

    asked = {
        "newest 50": listed(),
        "newest 50 of a stage and region": listed(stage="use", region="north"),
        "full text, a frequent word": listed(q="app"),
        "journey of four weeks": cells,
    }
    return [
        Figure(f"{name}, p95", percentile([_timed(ask) for _ in range(40)], 0.95) * 1000, "ms")
        for name, ask in asked.items()
    ]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
