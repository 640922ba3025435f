"""A figure of the bench: a name, a number, what it is held against. And the machine that it was measured on."""

import os
import platform
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`aim` says in words what the number is held against; `reached` is None where there is nothing to compare."""

    name: str
    value: float
    unit: str
    aim: str = ""
    reached: bool | None = None

    def line(self) -> str:
        mark = {True: "reached", False: "short of", None: ""}[self.reached]
        return f"{self.name:<58} {self.value:>12,.3g} {self.unit:<10} {mark:<9} {self.aim}".rstrip()


def machine() -> str:
    """What the figures were measured on, without any name of it."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {sys.version.split()[0]}"
    )


def median(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
