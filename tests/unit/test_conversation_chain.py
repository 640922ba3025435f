"""Conversations over the chained steps: what came as several events is one experience in every figure."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from services.api.io import tables as db
from services.classify.loading import load_tagger
from services.classify.tagging.tagger import Tagger
from services.contracts import topics
from services.contracts.events import Conversation
from services.router.signals import Policies, route
from tests.builders import feedback
from tests.unit.router.builders import at, classified, messages, shipped_policy
from tests.unit.test_chain import POLICY, Chain

SAID = "The driver marked it delivered but nothing is here."


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return load_tagger(POLICY)


def test_a_thread_and_its_survey_are_one_voice_and_one_rating(tagger: Tagger, tmp_path: Path) -> None:
    chain = Chain(tmp_path, tagger)
    same = {"channel": "chat", "conversation_id": "t-7", "customer": {"id": "C-7"}}
    turns = [{"by": "agent", "text": "How can I help?"}, {"by": "customer", "text": SAID}]
    event = feedback(**same, turns=turns)
    del event["text"]
    rated = feedback(**same | {"channel": "survey"}, rating={"kind": "csat", "value": 1}, text="As I said.")
    chain.run([event, feedback(**same, text="Hello? Anybody?"), rated])
    with chain.store.reading() as connection:
        assert connection.execute(select(func.sum(db.narrow.c.main))).scalar_one() == 1
        everybody = select(func.sum(db.ratings.c.n)).where(db.ratings.c.area == "")
        assert connection.execute(everybody).scalar_one() == 1
        stages = set(connection.execute(select(db.tags.c.stage)).scalars())
        assert connection.execute(select(func.count()).select_from(db.untagged)).scalar_one() == 0
    assert stages == {"receive"}


def test_three_messages_of_one_customer_open_nothing_that_takes_three(tagger: Tagger, tmp_path: Path) -> None:
    chain = Chain(tmp_path, tagger)
    chain.run([feedback(text=SAID, conversation_id="t-8", customer={"id": "C-8"}) for _ in range(3)])
    assert [action for action in chain.actions() if action.plan.action == "cause"] == []


def test_a_later_part_sends_no_signal() -> None:
    part = classified(conversation=Conversation(id="t-9", head="another"))
    policies = Policies([(at(-1), shipped_policy())])
    assert route(messages([part]), at(), policies=policies, version="1") == []
    assert {out.topic for out in route(messages([classified()]), at(), policies=policies, version="1")} == {
        topics.ROUTING_SIGNALS
    }
