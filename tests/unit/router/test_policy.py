"""The team-edited files: what is wrong is named with file, line and a way out; all of it at once."""

import pytest

from services.contracts.policy import LEAST_EMPLOYEES
from services.contracts.policyfiles import FILES, load_policy, read_folder, version_of
from services.contracts.yamlfile import PolicyRefused
from tests.unit.router.builders import POLICY_FOLDER, shipped_policy


def files_with(name: str, old: str, new: str) -> dict[str, str]:
    files = read_folder(POLICY_FOLDER)
    assert old in files[name]
    return files | {name: files[name].replace(old, new, 1)}


def problems_of(files: dict[str, str]) -> list[str]:
    with pytest.raises(PolicyRefused) as caught:
        load_policy(files)
    return [str(problem) for problem in caught.value.problems]


def test_the_shipped_policy_is_in_order() -> None:
    policy = shipped_policy()

    assert 12 <= len(policy.rules) - 1 <= 20
    assert policy.rules[-1].name == "default"
    assert policy.rules[-1].team == policy.triage
    assert all(team.targets for team in policy.teams.values())


def test_every_area_of_the_shipped_taxonomy_has_an_owner() -> None:
    policy = shipped_policy()
    assert set(policy.area_owner) == set(policy.taxonomy.areas) - {"unknown"}


def test_what_our_people_say_is_never_acted_on_below_five() -> None:
    rules = [rule for rule in shipped_policy().rules if rule.part == "engagement"]
    assert rules
    assert all(rule.people and rule.threshold >= LEAST_EMPLOYEES for rule in rules)


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("rules.yaml", "team: billing", "team: biling", "teams.yaml has no team biling. Did you mean billing?"),
        ("rules.yaml", "refund-missing", "refund-mising", "no theme refund-mising. Did you mean refund-missing?"),
        ("rules.yaml", "stage: set_up", "stage: setup", "no stage setup. Did you mean set_up?"),
        ("rules.yaml", "area: [place, people]", "area: [plaice]", "no area plaice. Did you mean place?"),
        ("rules.yaml", "vulnerable_person", "vulnerable", "no severity kind vulnerable."),
        ("rules.yaml", "channel: mystery_shop", "channel: mystery", "Did you mean mystery_shop?"),
        ("rules.yaml", "severity_at_least: 2", "severity_atleast: 2", "Did you mean severity_at_least?"),
        ("rules.yaml", "within: 6 weeks", "within: six weeks", "Write it like 7 days"),
        ("rules.yaml", "{people: 5,", "{people: 4,", "never shown below 5"),
        ("rules.yaml", "{people: 5,", "{signals: 5,", "never shown below 5"),
        ("rules.yaml", "behind {what}{where}", "behind {wat}", "`{wat}` cannot be filled in. Did you mean what?"),
        ("rules.yaml", "behind {what}{where}", "behind {what", "A brace stands alone."),
        ("rules.yaml", "name: praise", "name: quiet", "Another rule called quiet stands on line"),
        ("rules.yaml", "name: praise", "name: default", "Another rule called default takes what is left."),
        ("rules.yaml", "    when: {sentiment: positive}\n", "", "the rules below it never act"),
        ("rules.yaml", "no_action: praise", "no_action: praise\n    team: care", "`team` says nothing where"),
        ("rules.yaml", "resolve_within: 10 days", "resolve_within: 1 hour", "later than resolved"),
        ("rules.yaml", "rules:", "rules: 3", "This is not YAML"),
        ("rules.yaml", "  ease: 2 ", "  eese: 2 ", "`eese` is not a known key in defaults. Did you mean ease?"),
        ("teams.yaml", "triage: triage", "triage: triaje", "No team is called triaje. Did you mean triage?"),
        ("teams.yaml", "id: care", "id: shops", "The team id shops is used twice."),
        ("teams.yaml", "id: care", "id: owner", "The team id owner is a word of rules.yaml."),
        ("teams.yaml", "Europe/London", "Europe/Londen", "Europe/Londen is not a time zone."),
        ("teams.yaml", "areas: [digital]", "areas: [service]", "service already belongs to digital"),
        (
            "teams.yaml",
            "targets: [actions]",
            "targets: [acts]",
            "targets.yaml has no target acts. Did you mean actions?",
        ),
        ("teams.yaml", "areas: [digital]", "areas: [digitl]", "no area digitl. Did you mean digital?"),
        ("teams.yaml", "themes: [app-feature-wanted]", "themes: [app-x]", "The taxonomy has no theme app-x."),
        ("taxonomy.yaml", "areas:", "arias:", "`areas` must be a list."),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_way_out(file: str, old: str, new: str, problem: str) -> None:
    found = problems_of(files_with(file, old, new))

    assert any(problem in text for text in found), found
    for text in found:
        assert text.split(":")[0] in FILES
        assert int(text.split(":")[1]) >= 1


def test_a_mistake_stands_on_the_line_that_is_named() -> None:
    files = files_with("rules.yaml", "team: billing", "team: biling")
    line = int(problems_of(files)[0].split(":")[1])

    assert files["rules.yaml"].splitlines()[line - 1].strip() == "team: biling"


def test_all_problems_of_all_files_come_at_once() -> None:
    files = files_with("rules.yaml", "team: billing", "team: biling")
    files["teams.yaml"] = files["teams.yaml"].replace("Europe/London", "Nowhere", 1)

    assert [text.split(":")[0] for text in problems_of(files)] == ["rules.yaml", "teams.yaml"]


def test_a_missing_file_is_said() -> None:
    files = read_folder(POLICY_FOLDER)
    del files["teams.yaml"]
    assert problems_of(files) == ["teams.yaml:1: The file is missing."]


def test_the_version_follows_from_every_file() -> None:
    files = {"a.yaml": "1", "b.yaml": "2"}

    assert version_of(files) == version_of(dict(reversed(files.items())))
    assert version_of(files) != version_of(files | {"b.yaml": "3"})
    assert version_of({"a.yaml": "1b"}) != version_of({"a.yamlb": "1"})
