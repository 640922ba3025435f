"""The targets file: what it may say, and every mistake with its line and a way out."""

from pathlib import Path

import pytest
import yaml

from services.contracts.yamlfile import PolicyRefused
from services.notify.targets import FILE, Target, load_targets

POLICY = Path(__file__).parents[3] / "deploy" / "policy"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOOK = """\
targets:
  - name: crm
    kind: webhook
    url: https://crm.example.com/hooks/palette
    secret: {env: CRM_SECRET}
"""


def load(text: str, *, allow_private: bool = False, files: dict[str, str] | None = None) -> dict[str, Target]:
    def read_file(path: str) -> str:
        if path not in (files or {}):
            raise FileNotFoundError(path)
        return (files or {})[path]

    return load_targets(
        text,
        environment={"CRM_SECRET": SECRET, "WEAK": "whsec_c2hvcnQ="},
        read_file=read_file,
        allow_private=allow_private,
    )


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyRefused) as refused:
        load(text)
    return [str(problem) for problem in refused.value.problems]


def test_the_file_that_ships_tells_all_teams_through_one_file() -> None:
    text = (POLICY / FILE).read_text(encoding="utf-8")
    assert load(text) == {"actions": Target(name="actions", kind="jsonlines", verbatims=False)}


def test_the_webhook_example_of_the_file_that_ships_is_right_when_uncommented() -> None:
    text = (POLICY / FILE).read_text(encoding="utf-8")
    commented = text[text.index("# - name: delivery-team") :]
    uncommented = "targets:\n" + "\n".join(line.removeprefix("#") for line in commented.splitlines())
    found = load_targets(uncommented, environment={"DELIVERY_TEAM_WEBHOOK_SECRET": SECRET}, read_file=lambda _: SECRET)
    assert found["delivery-team"].secrets == (SECRET,)


def test_every_target_that_a_team_names_exists() -> None:
    teams = POLICY / "teams.yaml"
    named = {t for team in yaml.safe_load(teams.read_text(encoding="utf-8"))["teams"] for t in team.get("targets", ())}
    assert named <= set(load((POLICY / FILE).read_text(encoding="utf-8")))


def test_a_webhook_has_its_secrets_newest_first() -> None:
    text = HOOK + "    previous_secret: {file: /run/secrets/old}\n"
    target = load(text, files={"/run/secrets/old": SECRET[:-1] + "x\n"})["crm"]
    assert target.secrets == (SECRET, SECRET[:-1] + "x")
    assert (target.verbatims, target.allow_private, target.give_up_after_hours) == (True, False, 24.0)


def test_a_secret_is_in_no_text_of_a_target() -> None:
    assert SECRET not in repr(load(HOOK)) + str(load(HOOK)["crm"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("targets: []\n", "targets.yaml:1: targets"),
        ("target: []\n", "targets.yaml:1: `target` is not a known key. Did you mean targets?"),
        (HOOK.replace("kind: webhook", "kind: webhok"), "targets.yaml:3: `webhok` is not allowed"),
        (HOOK.replace("url:", "uri:"), "targets.yaml:4: `uri` is not a known key in targets[1]. Did you mean url?"),
        (HOOK.replace("CRM_SECRET", "CRM_SECRT"), "targets.yaml:5: The environment variable CRM_SECRT is not set."),
        (HOOK.replace("CRM_SECRET", "WEAK"), "targets.yaml:5: The secret is not base64 of at least 24 random bytes."),
        (HOOK.replace("{env: CRM_SECRET}", "{file: /nowhere}"), "targets.yaml:5: The file /nowhere cannot be read"),
        (HOOK.replace("{env: CRM_SECRET}", SECRET), "targets.yaml:5: "),
        (HOOK.replace("https://", "http://"), "targets.yaml:4: Over http anybody on the way can read the message."),
        (HOOK.replace("https://", "ftp://"), "targets.yaml:4: A webhook's `url` begins with https://"),
        (HOOK.replace("https://", "https://me:pw@"), "targets.yaml:4: The `url` holds a user name or password."),
        (HOOK.replace("crm.example.com", "[::"), "targets.yaml:4: This is not a URL."),
        (HOOK.replace("crm\n", "Crm/..\n"), "targets.yaml:2: "),
        (HOOK.replace("    secret: {env: CRM_SECRET}\n", ""), "targets.yaml:2: A webhook needs a `secret`"),
        ("targets:\n  - {name: a, kind: jsonlines}\n  - {name: a, kind: jsonlines}\n", "Two targets are called a."),
        ("targets:\n  - name: a\n    kind: jsonlines\n    url: x\n", "targets.yaml:4: `url` belongs to a webhook"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, expected: str) -> None:
    found = problems(text)
    assert any(expected in problem for problem in found), found
    assert not any("pw@" in problem for problem in found)


def test_all_mistakes_are_told_at_once() -> None:
    text = HOOK.replace("https://", "http://").replace("CRM_SECRET", "NOPE")
    assert len(problems(text)) == 2


def test_http_is_allowed_inside_the_own_network() -> None:
    text = HOOK.replace("https://crm.example.com", "http://crm.internal")
    assert load(text + "    allow_private: true\n")["crm"].allow_private
    assert load(text, allow_private=True)["crm"].allow_private
