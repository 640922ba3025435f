"""Which metrics and labels a PromQL expression names, and which ones the services declare: enough for these tests."""

import ast
import re
from functools import cache
from pathlib import Path

SERVICES = Path(__file__).parents[3] / "services"
PROCESS_METRICS = {"process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total", "up"}
"""What Prometheus and its client library bring along."""

_METRIC = re.compile(r"\b(palette_[a-z0-9_]+|process_[a-z_]+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\bby\s*\(([^)]*)\)\s*\(")
_SCRAPED = {"job", "instance", "le"}


def metrics_in(expression: str) -> dict[str, set[str]]:
    """Metric names with the labels that the expression asks of each: in its own matchers and in groupings around it."""
    found: dict[str, set[str]] = {}
    for name, matchers in _METRIC.findall(expression):
        found.setdefault(name, set()).update(_MATCHER.findall(matchers))
    for grouping in _GROUPING.finditer(expression):
        labels = {label.strip() for label in grouping.group(1).split(",")}
        for name, _ in _METRIC.findall(_argument(expression, grouping.end())):
            found[name] |= labels
    return {name: labels - _SCRAPED for name, labels in found.items()}


def problems(expression: str) -> list[str]:
    """What an expression asks for that no service declares."""
    known = declared()
    found = []
    for name, labels in metrics_in(expression).items():
        if name not in known.keys() | PROCESS_METRICS:
            found.append(f"no service declares {name}")
        elif not labels <= known.get(name, set()):
            found.append(f"{name} has no label {', '.join(sorted(labels - known[name]))}")
    return found


def _argument(expression: str, start: int) -> str:
    """The text up to the bracket that closes the one before `start`."""
    depth = 1
    for index in range(start, len(expression)):
        depth += {"(": 1, ")": -1}.get(expression[index], 0)
        if depth == 0:
            return expression[start:index]
    return expression[start:]


@cache
def declared() -> dict[str, set[str]]:
    """Every series that the services' code declares, with its labels, as Prometheus will see them."""
    found: dict[str, set[str]] = {}
    for path in SERVICES.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                found |= _series(call.func.id, call)
    return found


def _series(kind: str, call: ast.Call) -> dict[str, set[str]]:
    suffixes = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_sum", "_count")}.get(kind, ())
    if not suffixes or not call.args or not isinstance(call.args[0], ast.Constant):
        return {}
    name = str(call.args[0].value).removesuffix("_total")
    labels: set[str] = set()
    listed = (
        call.args[2] if len(call.args) > 2 else next((k.value for k in call.keywords if k.arg == "labelnames"), None)
    )
    if isinstance(listed, ast.List | ast.Tuple):
        labels = {str(item.value) for item in listed.elts if isinstance(item, ast.Constant)}
    return {name + suffix: labels for suffix in suffixes}
