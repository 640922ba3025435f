"""Live and ready, as facts that others set and anyone may ask. Knows no HTTP."""

import threading
from datetime import datetime
from typing import Any

from services.kit.clock import Clock, utc_now

_STUCK_AFTER_SECONDS = 30.0


class Check:
    """One condition of being ready. Thread-safe; `since` is when it last changed."""

    def __init__(self, name: str, message: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._state = (False, clock(), message)

    def passed(self, message: str = "") -> None:
        self._set(True, message)

    def failed(self, message: str) -> None:
        self._set(False, message)

    def _set(self, ok: bool, message: str) -> None:
        with self._lock:
            was_ok, since, _ = self._state
            self._state = (ok, since if ok == was_ok else self._clock(), message)

    @property
    def is_ok(self) -> bool:
        return self._state[0]

    def shown(self) -> dict[str, Any]:
        ok, since, message = self._state
        return {"name": self.name, "ok": ok, "since": since.isoformat(timespec="seconds"), "message": message}


class Health:
    """Whether this process is live (its loop turned in the last 30 s) and ready (every check passes)."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._beat: datetime = clock()
        self._checks: list[Check] = []

    def check(self, name: str, message: str = "starting") -> Check:
        """A further condition of being ready; fails until told otherwise."""
        check = Check(name, message, self._clock)
        self._checks.append(check)
        return check

    def beat(self) -> None:
        """The main loop turned."""
        self._beat = self._clock()

    def ready(self) -> tuple[bool, dict[str, Any]]:
        checks = [check.shown() for check in self._checks]
        ok = all(check["ok"] for check in checks)
        return ok, {"status": "ready" if ok else "not ready", "checks": checks}

    def live(self) -> tuple[bool, dict[str, Any]]:
        idle = (self._clock() - self._beat).total_seconds()
        ok = idle < _STUCK_AFTER_SECONDS
        message = "" if ok else f"the loop has not turned for {idle:.0f} s"
        check = {"name": "loop", "ok": ok, "since": self._beat.isoformat(timespec="seconds"), "message": message}
        return ok, {"status": "live" if ok else "not live", "checks": [check]}
