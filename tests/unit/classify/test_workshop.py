"""The workshop: one challenger at a time, kept with its verdict, named by what it learnt."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from services.classify.io.versions import Files, Versions
from services.classify.io.workshop import Craft, Workshop, workshop_routes
from services.classify.learning.judging import Answer
from services.classify.learning.reviewed import Reviewed
from services.contracts.learning import Learning
from tests.unit.classify.test_judging import NOW, WRONG, reviewed

Model = tuple[str, ...]
"""The ids that a model was taught; it knows every text as soon as it was taught any."""


class Setting:
    """A workshop around models that are lists of ids."""

    def __init__(self, folder: Path) -> None:
        (folder / "shipped").mkdir()
        (folder / "shipped" / "digest").write_text("d0")
        files = Files[Model](save=self._save, digest_of=lambda at: (at / "digest").read_text())
        self.versions = Versions(folder / "models", shipped=folder / "shipped", version="shipped-1", files=files)
        self.in_force = "shipped-1"
        self.before_answering: Callable[[], None] = lambda: None
        workshop = Workshop(self.versions, craft=self._craft, bounds=Learning, clock=lambda: NOW)
        self.web = TestClient(Starlette(routes=workshop_routes(workshop, self.versions, lambda: self.in_force)))

    def _save(self, model: Model, folder: Path) -> str:
        folder.mkdir(parents=True)
        (folder / "digest").write_text(f"d{len(model)}")
        return f"d{len(model)}"

    def _craft(self) -> Craft[Model]:
        return Craft(
            champion=(),
            version=self.in_force,
            base="b",
            adapt=self._learnt,
            tag=self._said,
            named=lambda model, _: model,
        )

    def _learnt(self, items: Sequence[Reviewed]) -> Model:
        return tuple(item.id for item in items)

    def _said(self, model: Model, items: Sequence[Reviewed]) -> list[Answer]:
        self.before_answering()
        return [Answer(item.stage, item.areas) if model else WRONG for item in items]

    def make(self, items: Sequence[Reviewed], **parameters: str) -> dict[str, Any]:
        body = b"\n".join(map(msgspec.json.encode, items))
        found: dict[str, Any] = self.web.post("/internal/challenger", content=body, params=parameters).json()
        return found


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


ITEMS = [reviewed(n) for n in range(40)]


def test_a_challenger_is_kept_with_its_verdict_and_the_ids_that_it_learnt(setting: Setting) -> None:
    made = setting.make(ITEMS, by="Ana")
    card = setting.versions.card(str(made["version"]))

    assert made["verdict"]["promote"] is True
    assert card is not None
    assert (card.by, card.parent, card.labels, card.learnt) == ("Ana", "shipped-1", 40, tuple(i.id for i in ITEMS))
    listed = setting.web.get("/internal/models").json()
    assert [item["version"] for item in listed["items"]] == [made["version"], "shipped-1"]
    assert "learnt" not in listed["items"][0]


def test_no_text_is_kept_in_the_folder_of_a_version(setting: Setting, tmp_path: Path) -> None:
    setting.make(ITEMS, by="Ana")

    for path in (tmp_path / "models").rglob("*"):
        assert not path.is_file() or "text 1" not in path.read_text()


def test_the_same_labels_make_nothing_new_and_a_second_verdict_of_a_rejected_one_is_added(setting: Setting) -> None:
    name = str(setting.make(ITEMS)["version"])
    again = setting.make(ITEMS)
    setting.in_force = name
    third = setting.make(ITEMS)

    assert (again["version"], again["made_before"]) == (name, True)
    assert third["verdict"]["reason"] == "nothing_new"
    card = setting.versions.card(name)
    assert card is not None
    assert len(card.judged) == 2


def test_too_few_labels_make_no_version(setting: Setting) -> None:
    made = setting.make(ITEMS[:10])

    assert (made["version"], made["verdict"]["reason"]) == (None, "too_few_labels")


def test_a_second_one_at_the_same_time_is_told_to_wait(setting: Setting) -> None:
    at_work, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        at_work.set()
        may_go_on.wait(10)

    setting.before_answering = hold
    thread = threading.Thread(target=setting.make, args=(ITEMS,))
    thread.start()
    assert at_work.wait(10)
    second = setting.web.post("/internal/challenger", content=msgspec.json.encode(ITEMS[0]))
    may_go_on.set()
    thread.join()

    assert (second.status_code, second.json()["code"]) == (409, "busy")


def test_labels_that_cannot_be_read_are_refused_without_their_text(setting: Setting) -> None:
    answer = setting.web.post("/internal/challenger", content=b'{"text": "secret"}')

    assert answer.status_code == 422
    assert "secret" not in answer.text
