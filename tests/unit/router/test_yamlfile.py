"""Team-edited files: every problem has its line and a way out."""

import pytest

from services.contracts.yamlfile import PolicyRefused, did_you_mean, load_marked


def refusal(text: str) -> str:
    with pytest.raises(PolicyRefused) as caught:
        load_marked(text, file="rules.yaml")
    return str(caught.value)


def test_each_part_of_a_file_knows_its_line() -> None:
    marked = load_marked("a: 1\nrules:\n  - name: one\n    when:\n      area: price\n", file="rules.yaml")

    assert marked.data == {"a": 1, "rules": [{"name": "one", "when": {"area": "price"}}]}
    assert marked.locate(["rules", 0, "when", "area"]) == 5
    assert marked.locate(["rules", 0, "missing", "deeper"]) == 3
    assert str(marked.problem(["rules", 0], "Bad.", suggestion="Mend it.")) == "rules.yaml:3: Bad. Mend it."


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("22:30", "22:30"),
        ("2026-11-02", "2026-11-02"),
        ("true", True),
        ('"true"', "true"),
        ("017", 17),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("~", None),
        ("", None),
        ("1.2.3", "1.2.3"),
    ],
)
def test_scalars_are_read_as_people_mean_them(text: str, value: object) -> None:
    read = load_marked(f"value: {text}\n", file="x.yaml").data["value"]

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\na: 2\n", "rules.yaml:2: `a` is given twice."),
        ("a: &x 1\nb: *x\n", "Anchors and aliases are not read."),
        ("a: b: c\n", "rules.yaml:1: This is not YAML: mapping values are not allowed"),
        ("a:\n\t- x\n", "rules.yaml:2: This is not YAML"),
        ("a: \x07\n", "characters that YAML does not allow"),
        ("[" * 60 + "]" * 60, "nested too deeply"),
        ("? [a]\n: b\n", "A key must be a word."),
        ("x" * 2_000_001, "longer than 2,000,000"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(text: str, part: str) -> None:
    assert part in refusal(text)


def test_an_empty_file_holds_nothing() -> None:
    assert load_marked("# only a remark\n", file="x.yaml").data is None


def test_the_nearest_known_name_is_suggested() -> None:
    assert did_you_mean("fulfillment", ["fulfilment", "price"]) == "Did you mean fulfilment?"
    assert did_you_mean("zzz", ["b", "a"]) == "Known: a, b."
    assert did_you_mean("zzz", [str(n) for n in range(50)]) == ""
