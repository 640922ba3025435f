"""What is due and when: a small memory of open promises that turns time into ticks. Pure; the time comes in.

A tick says only that a promise came due; whether it was broken is the fold's to judge, in its group's one order.
"""

import heapq
from datetime import datetime

from services.contracts.events import Action, Tick, Timer
from services.contracts.ids import tick_id


class Clocks:
    """The due times of all actions, as their newest states tell them."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, str, Timer, str]] = []
        self._promised: dict[tuple[str, Timer], datetime] = {}

    def __len__(self) -> int:
        return len(self._promised)

    def saw(self, action: Action) -> None:
        """Takes in an action's newest state. One that was only rehearsed has no clock."""
        waits = action.mode == "live"
        self._promise(action, "acknowledge_due", action.acknowledge_due_at, waits and action.state == "open")
        running = action.state in {"open", "acknowledged", "in_progress"}
        self._promise(action, "resolve_due", action.resolve_due_at, waits and running)

    def due(self, now: datetime) -> list[Tick]:
        """The ticks of everything that came due by now, each once."""
        ticks = []
        while self._heap and self._heap[0][0] <= now:
            at, action, timer, group = heapq.heappop(self._heap)
            if self._promised.get((action, timer)) == at:
                del self._promised[action, timer]
                ticks.append(Tick(id=tick_id(action, timer, at), group=group, at=at, action=action, timer=timer))
        return ticks

    def _promise(self, action: Action, timer: Timer, at: datetime, stands: bool) -> None:
        key = (action.id, timer)
        if not stands or timer in action.breached:
            self._promised.pop(key, None)
        elif self._promised.get(key) != at:
            self._promised[key] = at
            heapq.heappush(self._heap, (at, action.id, timer, action.group))
