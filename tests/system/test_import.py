"""Last quarter's file: opens nothing, notifies nobody; imported twice it changes nothing."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.system.product import Product
from tests.waiting import until


def test_last_quarters_file_is_harmless_and_repeatable(product: Product, tmp_path: Path) -> None:
    path = tmp_path / "last quarter.csv"
    start = datetime.now(UTC) - timedelta(days=80)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Ref", "Visited at", "Their words", "Score", "Member"])
        for n in range(60):
            at = (start + timedelta(hours=n)).isoformat()
            writer.writerow([f"L-{n}", at, "The driver marked it delivered but nothing is here.", n % 11, f"M-{n}"])
    arguments = (
        "import", str(path), "--map", "id=Ref", "--map", "occurred_at=Visited at", "--map", "text=Their words",
        "--map", "rating=Score", "--map", "customer=Member", "--set", "rating.kind=nps", "--set", "source=lamp-book",
        "--set", "channel=survey",
    )  # fmt: skip
    first = product.cli(*arguments)
    assert first.returncode == 0, first.stdout + first.stderr

    def imported() -> list[dict]:
        return [i for i in product.feedback() if i["source"] == "lamp-book" and i["status"] != "received"]

    until(lambda: len(imported()) == 60, what="60 imported events")
    before = sorted((i["id"], i["received_at"]) for i in imported())
    second = product.cli(*arguments)
    assert second.returncode == 0, second.stdout + second.stderr
    marker = product.post_batch([])
    assert marker.status_code in {202, 422}
    assert sorted((i["id"], i["received_at"]) for i in imported()) == before
    assert product.get("/v1/actions", limit=200)["items"] == []
    told = product.data_dir / "notify" / "actions.jsonl"
    assert not told.exists() or told.read_text(encoding="utf-8") == ""
