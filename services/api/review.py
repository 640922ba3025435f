"""The few labels a day that each person is asked for: by expected value, some of them for a second look.

Value = how likely the tag is wrong × how many like it there are × what a mistake costs. The order differs a little from
person to person, so that two people at the same hour are not given the same. Knows values; knows no store and no clock.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from services.api.choosing import Candidate
from services.api.near_duplicates import clusters

_COST = (1.0, 1.5, 2.5, 4.0)
_DISOWNED = 3.0
"""What a mistake costs by severity, and where a team has said that the case is not theirs."""


class Asked(msgspec.Struct, frozen=True):
    """An event to ask about, and why: reasons, the strongest first. `second` when somebody else has answered."""

    event: str
    value: float
    reasons: tuple[str, ...]
    second: bool = False


def queue(candidates: Sequence[Candidate], *, by: str, number: int, disowned: Collection[str] = ()) -> list[Asked]:
    """So many events for this person, the most valuable first; of near-duplicates one. `disowned`: in cases that a team
    said are not theirs."""
    like = Counter((item.stage, item.area) for item in candidates)
    most = max(like.values(), default=1)
    near = clusters([item.text for item in candidates])
    best: dict[int, tuple[float, Asked]] = {}
    for item, cluster in zip(candidates, near, strict=True):
        asked = _valued(item, like[(item.stage, item.area)] / most, item.id in disowned)
        rank = asked.value * (0.75 + 0.5 * _lot(by, item.id))
        if cluster not in best or rank > best[cluster][0]:
            best[cluster] = (rank, asked)
    ranked = sorted(best.values(), key=lambda pair: (-pair[0], pair[1].event))
    return [asked for _, asked in ranked[:number]]


def second_looks(answered: Collection[str], *, by: str, number: int) -> list[Asked]:
    """So many of the events that somebody else has answered, by lot: picked by what they say, they would tell of the
    pick and not of the people."""
    drawn = sorted(answered, key=lambda event: _lot(by, event))
    return [Asked(event, 0.0, ("second_look",), second=True) for event in drawn[:number]]


def is_second(place: int, *, percent: float) -> bool:
    """Whether the label at this place of a person's day (from 0) is to be a second look: evenly spread."""
    return math.floor((place + 1) * percent / 100) > math.floor(place * percent / 100)


def _valued(item: Candidate, share: float, disowned: bool) -> Asked:
    cost = _COST[min(max(item.severity, 0), 3)] * (_DISOWNED if disowned else 1)
    reasons = []
    if disowned:
        reasons.append("not_ours")
    if item.doubt >= 0.5:
        reasons.append("unsure")
    if item.severity >= 2:
        reasons.append("costly")
    if share >= 0.5:
        reasons.append("frequent")
    return Asked(item.id, round(item.doubt * math.sqrt(share) * cost, 4), tuple(reasons) or ("sample",))


def _lot(by: str, event: str) -> float:
    """A number from 0 to 1 that follows from person and event."""
    return int.from_bytes(hashlib.blake2b(f"{by}\x1f{event}".encode(), digest_size=4).digest(), "big") / (1 << 32)
