"""Imports flow one way: contracts <- pure modules <- io <- app <- cli. The import contracts stand in pyproject.toml."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest

CHECKOUT = Path(__file__).parents[3]
SERVICES = ("ingest", "classify", "router", "notify", "api")
OUTER = ("app", "commands", "metrics", "__main__")


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("services", include_external_packages=True, cache_dir=None)


def modules_of(service: str) -> set[str]:
    return {name for name in graph().modules if name.startswith(f"services.{service}.")}


def is_pure(module: str) -> bool:
    """Whether a module belongs to the inner ring of its service: neither an adapter nor wiring."""
    part = module.split(".")[2]
    return part not in {"io", *OUTER}


def test_the_import_contracts_are_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    answer = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_pure_modules_import_neither_their_adapters_nor_the_kit(service: str) -> None:
    outward = {
        f"{module} -> {imported}"
        for module in modules_of(service)
        if is_pure(module)
        for imported in graph().find_modules_directly_imported_by(module)
        if imported.startswith("services.kit") or (imported in modules_of(service) and not is_pure(imported))
    }
    assert outward == set()


@pytest.mark.parametrize("service", SERVICES)
def test_adapters_do_not_import_their_wiring(service: str) -> None:
    backward = {
        f"{module} -> {imported}"
        for module in modules_of(service)
        if module.startswith(f"services.{service}.io.")
        for imported in graph().find_modules_directly_imported_by(module)
        if imported in {f"services.{service}.{name}" for name in ("app", "commands", "__main__")}
    }
    assert backward == set()


@pytest.mark.parametrize("service", [*SERVICES, "kit", "contracts", "launcher"])
def test_only_the_command_line_and_the_modules_own_service_import_it(service: str) -> None:
    if service in {"kit", "contracts"}:
        allowed = {"kit": {*SERVICES, "launcher", "cli"}, "contracts": {*SERVICES, "kit", "launcher", "cli"}}[service]
    else:
        allowed = {"cli"}
    importers = {
        importer.split(".")[1]
        for module in modules_of(service)
        for importer in graph().find_modules_that_directly_import(module)
    }
    assert importers - {service} <= allowed


def test_only_the_kit_touches_faust() -> None:
    users = graph().find_modules_that_directly_import("faust")
    assert {user for user in users if not user.startswith("services.kit.")} == set()


def test_the_modules_are_seen_at_all() -> None:
    assert len(graph().modules) > 100
    assert "services.kit.worker" in graph().find_modules_that_directly_import("aiokafka")
