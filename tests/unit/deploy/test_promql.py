"""The little that these tests know of PromQL is right: they could not fail otherwise."""

from tests.unit.deploy.promql import declared, metrics_in


def test_names_matchers_and_groupings_are_found() -> None:
    expression = 'sum by (topic, code) (increase(palette_dead_letters_total{job="x",code!="a"}[15m])) > palette_b'
    assert metrics_in(expression) == {"palette_dead_letters_total": {"topic", "code"}, "palette_b": set()}


def test_a_grouping_is_asked_only_of_what_stands_inside_it() -> None:
    expression = "max by (source) (palette_a) / max by (region) (palette_b) + palette_c"
    assert metrics_in(expression) == {"palette_a": {"source"}, "palette_b": {"region"}, "palette_c": set()}


def test_what_the_code_declares_is_found_with_suffixes_and_labels() -> None:
    known = declared()
    assert known["palette_deliveries_total"] == {"channel", "outcome"}
    assert known["palette_step_duration_seconds_bucket"] == {"topic"}
    assert known["palette_journal_bytes"] == set()
    assert "palette_deliveries" not in known
