"""What operators ask from the command line: where an event is, whether anything is lost, letters, the store anew.

Plain functions: print to stdout, problems to stderr, answer an exit code. They read the store and the topics directly,
so that they answer while the API is down.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import httpx2

from services.api.io import actions as read_actions
from services.api.io import stations
from services.api.io.letters import find_letter, open_letters, put_back
from services.api.io.rebuild import REBUILT, Snapshot, rebuild_file, snapshot, swap_in
from services.api.io.store import OlderLayout, Store, open_store, sqlite_path
from services.contracts import ids
from services.contracts.errors import Unavailable
from services.kit.settings import Settings, url_host

_PORTS = {
    "classify": "classify_metrics_port",
    "router": "router_metrics_port",
    "notify": "notify_metrics_port",
    "api": "api_port",
}
_SHOWN_BYTES = 4_000
_LINE = "{:<24} {:<10} {:>9} {:>9} {:>6} {:>7} {:>9} {:>8}"


def where(source: str, source_id: str) -> int:
    """Every station of one event. 0 when it is known, 1 when nothing knows it."""
    settings = Settings.load()
    event = ids.event_id(source, source_id)
    print(f"{source} {source_id} is event {event}")
    found = False
    waiting = stations.in_journal(settings.data_dir, event)
    if waiting is not None:
        print(f"  journal     {waiting}")
    store = _store(settings)
    with store.reading() as connection:
        for station, words in stations.of(connection, event, source=source, source_id=source_id):
            found = True
            print(f"  {station:<11} {words}")
        named = read_actions.actions_of(connection, [event]).get(event, [])
        for action in read_actions.actions_by_id(connection, named):
            print(f"  action      {action.state}, team {action.plan.team}, {settings.page_url}/actions/{action.id}")
    store.close()
    if not found:
        print("  nowhere: the store has not seen it; a refused event is counted under its source in `palette audit`")
    return 0 if found else 1


def audit() -> int:
    """Accepted = stored + dead-lettered + in flight, per source and day. 0 when nothing is missing."""
    settings = Settings.load()
    store = _store(settings)
    try:
        rows = stations.audit(settings, store)
    except Unavailable as error:
        print(f"{error}: nothing can be said about what is in flight.", file=sys.stderr)
        return 75
    finally:
        store.close()
    print(_LINE.format("source", "day", "accepted", "stored", "dead", "flight", "tagged", "missing"))
    for row in rows:
        counts = (row.accepted, row.stored, row.dead, row.in_flight, row.tagged, row.missing)
        print(_LINE.format(row.source[:24], row.day, *counts))
    missing = sum(row.missing for row in rows)
    print(f"{sum(row.accepted for row in rows)} accepted, {missing} missing" if rows else "nothing has come in yet")
    return 1 if missing else 0


def rebuild() -> int:
    """A new store from the topics, swapped in. Prints both digests; 0 when they are the same, 1 when they differ."""
    settings = Settings.load()
    if settings.database_url is not None:
        print("This rebuilds the embedded store; with PostgreSQL, start the API on an empty database.", file=sys.stderr)
        return 2
    current = sqlite_path(settings.data_dir)
    fresh = current.with_name(REBUILT)
    try:
        before = _comparable(current)
        after = rebuild_file(settings, fresh, like=before)
    except Unavailable as error:
        print(str(error), file=sys.stderr)
        return 75
    different = []
    for name, digest in after.digests.items():
        same = before is None or before.digests[name] == digest
        different += [] if same else [name]
        print(f"  {name:<22} {digest[:16]} {'new' if before is None else 'same' if same else 'DIFFERENT'}")
    print(swap_in(settings, fresh, headers=_key(settings)))
    if before is None:
        print("There was no store of this layout to compare it with.")
        return 0
    if different:
        print(f"Different from before: {', '.join(different)}. Topics kept for a limited time have lost their oldest.")
        return 1
    print("The same, byte for byte.")
    return 0


def _comparable(current: Path) -> Snapshot | None:
    """The store as it is; None where there is none of this layout."""
    try:
        return snapshot(current) if current.exists() else None
    except OlderLayout:
        return None


def resume(name: str) -> int:
    """Lets a consumer go on that halted."""
    settings = Settings.load()
    if name not in _PORTS:
        print(f"There is no consumer {name}; known: {', '.join(sorted(_PORTS))}.", file=sys.stderr)
        return 2
    try:
        answer = httpx2.post(
            f"http://{url_host(settings.bind)}:{getattr(settings, _PORTS[name])}/control/resume",
            headers=_key(settings),
            trust_env=False,
            timeout=10,
        )
        answer.raise_for_status()
    except httpx2.HTTPError as error:
        print(f"{name} does not answer ({type(error).__name__}).", file=sys.stderr)
        return 75
    print(f"{name}: {answer.json()['done']}")
    return 0


def _key(settings: Settings) -> dict[str, str]:
    """The key that services ask for, where keys are configured."""
    if settings.api_key_file is None:
        return {}
    return {"Authorization": f"Bearer {settings.api_key_file.read_text(encoding='utf-8').strip()}"}


def dead_letters_list() -> int:
    """Letters that nobody replayed, newest first."""
    store = _store(Settings.load())
    with store.reading() as connection:
        rows = open_letters(connection)
    store.close()
    for row in rows:
        print(f"{row.id}  {row.service}  {row.code}  {row.at[:19]}  {row.detail}")
    print(f"{len(rows)} could not be read" if rows else "none: everything could be read")
    return 0


def dead_letters_show(name: str) -> int:
    """One letter with its original bytes."""
    settings = Settings.load()
    try:
        letter = find_letter(settings, name)
    except Unavailable as error:
        print(str(error), file=sys.stderr)
        return 75
    if letter is None:
        print(f"There is no letter {name}.", file=sys.stderr)
        return 1
    for header, value in letter.headers:
        print(f"{header}: {value.decode('utf-8', 'replace')}")
    print()
    print((letter.value or b"")[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"))
    return 0


def dead_letters_replay(names: Sequence[str]) -> int:
    """Writes letters back to the topic they came from."""
    settings = Settings.load()
    failed = 0
    for name in names:
        try:
            put = put_back(settings, name)
        except Unavailable as error:
            print(str(error), file=sys.stderr)
            return 75
        if not put:
            failed += 1
            print(f"There is no letter {name}.", file=sys.stderr)
        else:
            print(f"{name} was written back to {put}")
    return 1 if failed else 0


def _store(settings: Settings) -> Store:
    return open_store(
        data_dir=settings.data_dir,
        database_url=settings.database_url.get_secret_value() if settings.database_url else None,
    )
