"""Rounds on a thread: what fails is looked at again, and stopping ends them."""

from prometheus_client import CollectorRegistry

from services.api.io.rounds import Rounds
from services.contracts.errors import Unavailable
from services.kit.logs import Log
from services.kit.process import Process
from services.kit.settings import Settings
from tests.waiting import until


class Counting(Rounds):
    """Fails at its first two looks."""

    looked = 0

    def _round(self) -> None:
        self.looked += 1
        if self.looked == 1:
            raise Unavailable("Kafka is away")
        if self.looked == 2:
            raise ValueError("a mistake of ours")


def test_rounds_go_on_after_what_went_wrong_until_they_are_stopped() -> None:
    rounds = Counting(Process("api", Settings(), Log("api"), CollectorRegistry()), "counting", every=0.001)
    rounds.start()
    until(lambda: rounds.looked > 3, what="looks after two that failed")
    rounds.stop()
    assert not rounds._thread.is_alive()
