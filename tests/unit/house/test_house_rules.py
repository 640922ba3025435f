"""Conventions of the house as tests: what a reader may rely on in every file."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from services import VERSION

CHECKOUT = Path(__file__).parents[3]
SERVICES = CHECKOUT / "services"
MODULES = sorted(SERVICES.rglob("*.py"))
NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}

LONGER_THAN_300_LINES = {
    "services/contracts/events.py": "the one event model: everything on a topic is found in one place",
    "services/router/groups.py": "the fold of one group: its cases share one state",
    "services/api/io/projection.py": "one transaction: the order of its statements is the subject",
    "services/ingest/intake.py": "one step from candidate to decision, with every reason to refuse",
    "services/classify/tagging/tagger.py": "one pass from texts to tags; its heads share the features",
}
"""Modules that are longer, each with the reason why it has still one subject."""

PRINTING = re.compile(
    r"services/(cli|[a-z]+/commands|launcher/.*|[a-z]+/training/.*)\.py|services/classify/tag_command\.py"
)

modules = pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(SERVICES).as_posix())


def named(path: Path) -> str:
    return path.relative_to(CHECKOUT).as_posix()


@modules
def test_a_module_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    if path.name == "__main__.py":
        return  # two lines that call the app beside it

    assert docstring
    assert docstring.rstrip()[-1] in ".!?`)"


@modules
def test_a_package_file_holds_one_docstring_line(path: Path) -> None:
    if path.name == "__init__.py" and path.parent != SERVICES:
        assert len(path.read_text(encoding="utf-8").strip().splitlines()) == 1


@modules
def test_a_module_has_one_subject(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= 300 or named(path) in LONGER_THAN_300_LINES


@modules
def test_a_module_is_named_by_its_subject(path: Path) -> None:
    assert path.stem not in NAMELESS


@modules
def test_nothing_is_left_to_do_later(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)
    assert "NotImplementedError" not in text


@modules
def test_only_commands_print(path: Path) -> None:
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert calls == [] or PRINTING.fullmatch(named(path))


@modules
def test_a_suppression_says_its_reason(path: Path) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        marked = re.search(r"#\s*(?:type: ignore|noqa)(?:\[[^\]]*\]|:\s*[A-Z0-9, ]+)?(.*)", line)
        assert marked is None or len(marked[1].strip(" -#")) > 8, f"{named(path)}:{number}"


@modules
def test_no_clock_is_read_in_a_pure_module(path: Path) -> None:
    parts = path.relative_to(SERVICES).parts
    if parts[0] in {"kit", "launcher", "cli.py"} or "io" in parts or "training" in parts:
        return
    if parts[-1] in {"app.py", "commands.py", "__main__.py", "metrics.py"}:
        return
    assert not re.search(
        r"datetime\.(now|utcnow|today)\(|\btime\.time\(\)|utc_now\(\)", path.read_text(encoding="utf-8")
    )


def test_the_version_is_said_once() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == VERSION
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


@pytest.mark.parametrize("path", sorted((CHECKOUT / "requirements").glob("*.txt")), ids=lambda p: p.name)
def test_requirements_are_pinned_by_hash_and_name_no_registry(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"\\\n\s*", " ", text))

    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|-i\s", text)
    for entry in entries:
        line = entry.split("#")[0].strip()
        if line and not line.startswith("-"):
            assert "==" in line, line[:60]
            assert "--hash=sha256:" in line, line[:60]


def test_no_file_of_ours_names_a_machine_or_a_registry() -> None:
    registry = re.compile(r"https?://[^\s\"'<>)\]}`]*(artifactory|nexus|//pypi\.|/simple\b)")
    found = []
    for path in _our_texts():
        text = path.read_text(encoding="utf-8", errors="replace")
        if re.search(r"(?<![\w.])/(work|root|home/\w+)/(?!\.)", text):
            found.append(f"{named(path)} names a path of a machine")
        if registry.search(text):
            found.append(f"{named(path)} names a registry")
    assert found == []


def _our_texts() -> list[Path]:
    kinds = {".py", ".toml", ".txt", ".yaml", ".yml", ".json", ".md", ".cfg", ".ini", ".sha256"}
    folders = ["services", "schemas", "deploy", "docs", "tests", "requirements"]
    inner = [path for folder in folders for path in (CHECKOUT / folder).rglob("*") if path.suffix in kinds]
    return inner + [path for path in CHECKOUT.iterdir() if path.is_file() and path.suffix in kinds]
