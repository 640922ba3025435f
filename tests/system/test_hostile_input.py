"""What comes from outside is hostile until parsed: handled, nothing stopped, nothing echoed, nothing personal kept."""

import json
from pathlib import Path

import pytest
from kafka import KafkaProducer

from tests.builders import feedback
from tests.system.product import Product
from tests.waiting import until

CARD = "4111 1111 1111 1111"
MAIL = "petra.quill@example.org"
CUSTOMER = "CUST-PLANTED-77123"


def stored(product: Product, source_id: str) -> dict | None:
    return next((i for i in product.get("/v1/feedback", limit=200)["items"] if i["source_id"] == source_id), None)


def tagged(product: Product, source_id: str) -> dict:
    return until(
        lambda: (i := stored(product, source_id)) and i["status"] != "received" and i, what=f"{source_id} to be tagged"
    )


def test_planted_personal_data_is_found_nowhere_under_the_data_folder(product: Product) -> None:
    event = feedback(
        text=f"I am {CUSTOMER}, my card {CARD} was charged twice, write to {MAIL}.",
        customer={"id": CUSTOMER},
        attributes={"region": "north", "note": f"mail {MAIL}"},
    )
    assert product.post(event).status_code == 202
    found = tagged(product, event["id"])
    assert "‹card number›" in found["text"]
    broken = json.dumps(event | {"id": "planted-2", "channel": MAIL}).encode()
    assert (
        product.http.post(product.intake, content=broken, headers={"Content-Type": "application/json"}).status_code
        == 422
    )
    planted = [needle.encode() for needle in (CARD, CARD.replace(" ", ""), MAIL, CUSTOMER)]
    for path in product.data_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for needle in planted:
                assert needle not in content, f"{needle.decode()} stands in {path.relative_to(product.data_dir)}"


BAD = {
    "not JSON": (b"{", 400),
    "broken UTF-8": (b'{"source": "a\xff"}', 400),
    "too deep": (b"[" * 5000 + b"]" * 5000, 400),
    "not an object": (b"[1]", 422),
    "unknown field": (json.dumps(feedback() | {"colour": "planted-value-1"}).encode(), 422),
    "no text and no rating": (json.dumps({k: v for k, v in feedback().items() if k != "text"}).encode(), 422),
    "a time without offset": (json.dumps(feedback(occurred_at="2026-11-02T09:14:00")).encode(), 422),
    "a time ahead": (json.dumps(feedback(occurred_at="2099-11-02T09:14:00Z")).encode(), 422),
    "too long": (json.dumps(feedback(text="planted-value-2" * 2000)).encode(), 422),
    "too large": (json.dumps(feedback(text="x" * 1_100_000)).encode(), 413),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_precise_error_that_repeats_nothing(product: Product, case: str) -> None:
    body, status = BAD[case]
    answer = product.http.post(product.intake, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "planted-value" not in answer.text


def test_another_media_type_is_refused(product: Product) -> None:
    answer = product.http.post(product.intake, content=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


def test_a_bad_neighbour_in_a_batch_harms_nobody(product: Product) -> None:
    good, other = feedback(), feedback()
    answer = product.post_batch([good, {"nonsense": 1}, other, "x", None])
    assert answer.status_code == 202
    assert [r["status"] for r in answer.json()["results"]] == [
        "accepted",
        "rejected",
        "accepted",
        "rejected",
        "rejected",
    ]
    tagged(product, good["id"])
    tagged(product, other["id"])


def test_the_longest_text_and_hostile_texts_come_out_tagged_and_harmless_on_the_page(product: Product) -> None:
    hostile = {
        "longest": "The bed is broken. " * 1052,
        "markup": "<script>alert(1)</script><img src=x onerror=alert(2)> the sofa sagged after a week",
        "formula": '=HYPERLINK("http://example.com","refund") my refund never came',
        "bidi": "\u202e the app logs me out \u0000\u0007",
        "surrogates": "broken emoji \ud83d and the app crashes",
    }
    for name, text in hostile.items():
        event = feedback(id=f"hostile-{name}", text=text[:20000])
        answer = product.http.post(
            product.intake, content=json.dumps(event).encode(), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in {202, 422}, (name, answer.text)
        if answer.status_code == 202:
            tagged(product, event["id"])
    page = product.http.get(f"{product.page}/feedback")
    assert page.status_code == 200
    assert "<script>alert(1)" not in page.text
    assert "<img src=x" not in page.text


def test_poison_on_a_topic_becomes_a_dead_letter_and_stops_nothing(product: Product) -> None:
    producer = KafkaProducer(bootstrap_servers=product.bootstrap_servers)
    for value in (b"\xff\xfe", b"{", b'{"id": 1}', b"null", b"[" * 3000):
        producer.send("feedback-received", key=b"poison", value=value)
    producer.flush()
    producer.close()
    after = feedback()
    assert product.post(after).status_code == 202
    tagged(product, after["id"])
    listed = until(lambda: (r := product.cli("dead-letters", "list")).stdout.count("feedback-received-") >= 5 and r)
    assert "classify" in listed.stdout


def test_logs_hold_no_text(product: Product) -> None:
    event = feedback(text="Zanzibarquartz is the word that must not be logged; the sofa sagged.")
    product.post(event)
    tagged(product, event["id"])
    logs = list((product.data_dir / "log").glob("*"))
    assert logs
    for path in logs:
        assert b"Zanzibarquartz" not in Path(path).read_bytes()
