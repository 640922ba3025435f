"""One complaint travels from form to action, seen from outside."""

from tests.builders import feedback, parcels
from tests.system.product import ROLES, Product
from tests.waiting import until


def item(product: Product, source: str, source_id: str) -> dict | None:
    for found in product.get("/v1/feedback", limit=200)["items"]:
        if (found["source"], found["source_id"]) == (source, source_id):
            return found
    return None


def tagged(product: Product, event: dict) -> dict:
    def look() -> dict | None:
        found = item(product, event["source"], event["id"])
        return found if found and found["status"] != "received" else None

    return until(look, what=f"{event['id']} to be tagged")


def test_a_complaint_is_accepted_tagged_and_shown_with_the_words_that_earned_the_tag(product: Product) -> None:
    event = feedback(text="The driver marked it delivered but nothing is here.", channel="complaint")
    answer = product.post(event)
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "accepted"
    found = tagged(product, event)
    assert found["id"] == answer.json()["id"]
    assert found["stage"] == "receive"
    assert "fulfilment" in [a["area"] for a in found["areas"]]
    assert found["evidence"], "a tag names the words that earned it"
    for span in found["evidence"]:
        assert 0 <= span["start"] < span["end"] <= len(found["text"])


def test_a_repeat_is_a_duplicate_and_another_content_is_a_conflict(product: Product) -> None:
    event = feedback()
    first, second = product.post(event), product.post(event)
    assert (first.json()["status"], second.json()["status"]) == ("accepted", "duplicate")
    assert first.json()["id"] == second.json()["id"]
    assert product.post(event | {"text": "Something else entirely."}).status_code == 409


def test_five_like_it_open_one_action_that_a_person_takes_to_its_end(product: Product) -> None:
    events = parcels(6, prefix="five", attributes={"region": "isles"})
    for event in events:
        assert product.post(event).status_code == 202

    def the_action() -> dict | None:
        for action in product.get("/v1/actions", limit=200)["items"]:
            if (action["theme"], action["attributes"].get("region")) == ("driver-marked-delivered", "isles"):
                return action
        return None

    action = until(the_action, what="an action for the isles")
    until(lambda: the_action()["signals"] == 6, what="all six to have joined")
    assert action["state"] == "open"
    assert action["team"] == "delivery"
    assert action["reason"]
    url = f"{product.page}/v1/actions/{action['id']}/commands"

    def command(name: str, **more: str) -> dict:
        answer = product.http.post(url, json={"command": name, "by": "Ana", **more})
        assert answer.status_code in {200, 202}, answer.text
        return answer.json()

    command("acknowledge")
    until(lambda: the_action()["state"] == "acknowledged", what="acknowledged")
    again = product.http.post(url, json={"command": "acknowledge", "by": "Ana"})
    assert again.status_code == 409
    assert again.json()["detail"]
    command("assign", to="Tom")
    until(lambda: the_action()["owner"] == "Tom", what="assigned")
    command("start")
    command("comment", comment="Riding along tomorrow.")
    command("resolve", comment="Photo proof is live.")
    until(lambda: the_action()["state"] == "resolved", what="resolved")
    command("reopen", comment="It went on.")
    until(lambda: the_action()["state"] == "open", what="reopened")
    told = (product.data_dir / "notify" / "actions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len([line for line in told if action["id"] in line]) == 2, "told when it opened and when it was reopened"


def test_every_service_answers_health_and_metrics_without_a_key(product: Product) -> None:
    for role in ROLES:
        for path in ("/health/live", "/health/ready", "/metrics"):
            answer = product.http.get(product.ops(role) + path)
            assert answer.status_code == 200, (role, path, answer.text)
        assert "palette_build_info" in answer.text


def test_the_stations_of_one_event_can_be_named(product: Product) -> None:
    event = feedback()
    product.post(event)
    tagged(product, event)
    told = product.cli("where", event["source"], event["id"])
    assert told.returncode == 0, told.stderr
    for station in ("journal", "received", "tagged"):
        assert station in told.stdout


def test_the_books_balance(product: Product) -> None:
    event = feedback()
    product.post(event)
    tagged(product, event)
    audit = until(lambda: (r := product.cli("audit")).returncode == 0 and r, what="an audit without a gap")
    assert "web-survey" in audit.stdout
