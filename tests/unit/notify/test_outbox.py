"""The outbox: durable, repeat-safe, and never silent about what it holds."""

import sqlite3
from pathlib import Path

import pytest

from services.contracts.errors import Misconfigured
from services.notify.io.outbox import Outbox
from tests.unit.notify.builders import action, many, notification


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notify" / "outbox-0.sqlite"


def test_what_was_taken_is_there_after_opening_again(path: Path) -> None:
    told = notification()
    first = Outbox(path)
    assert first.take([(told, b"00-trace")], now=10.0) == [told]
    first.close()
    second = Outbox(path)
    pending = second.due("actions", now=10.0)
    assert pending is not None
    assert (pending.told, pending.trace, pending.taken_at, pending.tried_at, pending.attempts) == (
        told,
        b"00-trace",
        10.0,
        None,
        0,
    )
    second.close()


def test_a_repeat_is_known_by_its_id_while_it_waits_and_after_it_is_done(path: Path) -> None:
    outbox, told = Outbox(path), notification()
    assert outbox.take([(told, None), (told, None)], now=1.0) == [told]
    outbox.finish(told.id, outcome="delivered", detail="", tried=True, now=2.0)
    assert outbox.take([(told, None)], now=3.0) == []
    assert outbox.due("actions", now=9.0) is None
    outbox.close()


def test_a_retry_waits_for_its_time_and_keeps_the_first_attempt(path: Path) -> None:
    outbox, told = Outbox(path), notification()
    outbox.take([(told, None)], now=1.0)
    outbox.retry(told.id, now=5.0, next_at=20.0, detail="HTTP 500")
    outbox.retry(told.id, now=20.0, next_at=50.0, detail="HTTP 500")
    assert outbox.due("actions", now=49.0) is None
    assert outbox.next_due("actions") == 50.0
    pending = outbox.due("actions", now=50.0)
    assert pending is not None
    assert (pending.tried_at, pending.attempts) == (5.0, 2)
    outbox.close()


def test_targets_do_not_see_each_others_messages(path: Path) -> None:
    outbox = Outbox(path)
    outbox.take([(notification(target="a"), None)], now=1.0)
    outbox.take([(notification(target="b"), None)], now=2.0)
    assert outbox.pending_targets() == {"a": 1.0, "b": 2.0}
    assert outbox.give_up("a", taken_before=5.0, detail="x", now=5.0) == 1
    assert outbox.pending_targets() == {"b": 2.0}
    outbox.close()


def test_an_outcome_is_reported_until_kafka_has_it_and_decided_only_once(path: Path) -> None:
    outbox, told = Outbox(path), notification()
    outbox.take([(told, None)], now=1.0)
    outbox.finish(told.id, outcome="delivered", detail="HTTP 204", tried=True, now=2.0)
    outbox.finish(told.id, outcome="gave_up", detail="late", tried=True, now=3.0)
    [finished] = outbox.unreported()
    assert (finished.outcome, finished.attempts, finished.detail, finished.done_at) == ("delivered", 1, "HTTP 204", 2.0)
    assert outbox.unreported(), "until it is marked"
    outbox.reported([told.id])
    assert outbox.unreported() == []
    outbox.close()


def test_only_what_is_done_reported_and_old_is_forgotten(path: Path) -> None:
    outbox = Outbox(path)
    done, unreported, waiting = many(3)
    outbox.take([(n, None) for n in (done, unreported, waiting)], now=1.0)
    for told in (done, unreported):
        outbox.finish(told.id, outcome="delivered", detail="", tried=True, now=2.0)
    outbox.reported([done.id])
    assert outbox.forget(done_before=2.0) == 0
    assert outbox.forget(done_before=3.0) == 1
    assert [f.id for f in outbox.unreported()] == [unreported.id]
    assert outbox.next_due("actions") == 1.0
    outbox.close()


def test_the_newest_revision_that_a_target_knows_counts(path: Path) -> None:
    outbox = Outbox(path)
    for revision in (4, 1):
        outbox.take([(notification(of=action(revision=revision)), None)], now=1.0)
    assert outbox.newest_revision(action().id, "actions") == 4
    assert outbox.newest_revision(action().id, "other") == 0
    outbox.close()


def test_gone_holds_until_the_entry_changes(path: Path) -> None:
    outbox = Outbox(path)
    outbox.mark_gone("crm", "webhook https://a")
    assert outbox.is_gone("crm", "webhook https://a")
    assert not outbox.is_gone("crm", "webhook https://b")
    outbox.close()


def test_a_file_of_a_newer_version_is_refused_in_a_sentence(path: Path) -> None:
    Outbox(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(Misconfigured, match="newer version"):
        Outbox(path)
