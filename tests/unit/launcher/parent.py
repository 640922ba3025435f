"""A small launcher in a process of its own, for tests that kill it: an engine that is a flag file, children as given.

Arguments: data folder, then one `name=python code` per child. It prints the guard's process id
once everything was started.
"""

import os
import sys
import time
from pathlib import Path

from services.kit.logs import start_logging
from services.launcher.cluster import ExternalKafka
from services.launcher.console import Console
from services.launcher.folder import open_folder
from services.launcher.guard import Guard
from services.launcher.refusal import CannotStart
from services.launcher.supervise import Child, Supervisor
from services.launcher.wakeup import Wakeup


class FlagEngine(ExternalKafka):
    """Answers while the file `engine-is-up` stands in the data folder."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__("")
        self._flag = data_dir / "engine-is-up"

    def answers(self) -> bool:
        return self._flag.exists()


def main(data_dir: Path, children: list[str]) -> int:
    folder = open_folder(data_dir)
    for name in folder.end_leftovers():
        print("ended leftover", name, flush=True)
    with Wakeup() as wakeup:
        guard = Guard()
        supervisor = Supervisor(
            [Child(name, (sys.executable, "-c", code)) for name, _, code in (c.partition("=") for c in children)],
            engine=FlagEngine(data_dir),
            folder=folder,
            console=Console(),
            guard=guard,
            log=start_logging("launcher", data_dir),
            wakeup=wakeup,
            cwd=data_dir,
            env=os.environ,
        )
        try:
            supervisor.start_engine()
            supervisor.start_children()
            print("guard", guard.pid, flush=True)
            while not wakeup.asked_to_end:
                supervisor.tick()
        except CannotStart as error:
            print(error, flush=True)
            return 1
        finally:
            began = time.monotonic()
            in_order = supervisor.stop()
            guard.close()
            folder.close()
            print(f"stopped in_order={in_order} after {time.monotonic() - began:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
