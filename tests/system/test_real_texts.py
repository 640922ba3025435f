"""Real customer texts through the running product: every one comes out tagged or `unsure`, none twice; the figures
against their labels are printed. The texts stay where they are; where they are absent the sample stands in."""

import json
from pathlib import Path

import pytest

from tests.builders import feedback
from tests.system.product import ROOT, Product
from tests.waiting import until

REAL = ROOT.parent / "shared" / "eval" / "real-dev.jsonl"
SAMPLE = ROOT / "services" / "launcher" / "sample" / "events.jsonl"


def texts() -> tuple[str, list[dict]]:
    """Where the texts come from, and them; labels are there only with the real ones."""
    path: Path = REAL if REAL.exists() else SAMPLE
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path is SAMPLE:
        lines = [line for line in lines if line.get("text")][:520]
    return ("the real texts" if path is REAL else "the sample, because the real texts are not here"), lines


def test_every_real_text_comes_out_tagged_or_unsure_and_none_twice(
    product: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    origin, lines = texts()
    events = [
        feedback(
            source="real",
            id=str(line["id"]),
            channel=line["channel"],
            text=line["text"],
            attributes={},
            **({"rating": {"kind": "stars", "value": line["stars"]}} if line.get("stars") else {}),
        )
        for line in lines
    ]
    for start in range(0, len(events), 100):
        answer = product.post_batch(events[start : start + 100])
        assert answer.status_code == 202
        assert {r["status"] for r in answer.json()["results"]} == {"accepted"}

    def all_done() -> dict[str, dict] | None:
        items = [i for i in product.feedback() if i["source"] == "real"]
        assert len(items) == len({i["id"] for i in items}), "an event is stored twice"
        found = {i["source_id"]: i for i in items if i["status"] in {"tagged", "unsure"}}
        return found if len(found) == len(events) else None

    done = until(all_done, seconds=120, every=1, what="every text to be tagged")
    assert set(done) == {e["id"] for e in events}
    assert all(i["stage"] and i["areas"] and i["versions"] for i in done.values())
    with capsys.disabled():
        print(f"\n{origin}: {len(done)} events, {sum(i['status'] == 'unsure' for i in done.values())} need a look")
        if "stage" in lines[0]:
            print(figures(lines, done))


def figures(lines: list[dict], done: dict[str, dict]) -> str:
    """How the tags compare with the labels, over all texts."""
    pairs = [(line, done[str(line["id"])]) for line in lines]
    share = lambda hits: sum(hits) / len(pairs)  # noqa: E731 - three uses, one line each
    stage = share(a["stage"] == b["stage"] for a, b in pairs)
    top = share(b["areas"][0]["area"] in a["areas"] for a, b in pairs)
    feeling = share(a["sentiment"] == b["sentiment"] for a, b in pairs)
    return f"stage accuracy {stage:.3f} · top area among the true ones {top:.3f} · sentiment accuracy {feeling:.3f}"
