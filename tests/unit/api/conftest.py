"""The store on SQLite and on PostgreSQL, and a web application on a store full of the sample."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from starlette.testclient import TestClient

from services.api.app import Parts
from services.api.io.store import Store, open_file, open_store
from services.kit.settings import Settings
from tests.ports import free_port
from tests.unit.api import postgres
from tests.unit.api.engine import EnginePublisher


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Makes empty stores on either database."""
    made: list[Store] = []

    def make() -> Store:
        if request.param == "sqlite":
            store = open_file(tmp_path / f"{uuid4().hex}.sqlite")
        else:
            url = request.getfixturevalue("postgres_url")
            name = f"t{uuid4().hex}"
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            store = open_store(data_dir=tmp_path, database_url=url.replace("/postgres?", f"/{name}?"))
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: Callable[[], Store]) -> Store:
    return make_store()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> EnginePublisher:
    return EnginePublisher(Settings(data_dir=tmp_path_factory.mktemp("api"), classify_metrics_port=free_port()))


@pytest.fixture(scope="module")
def parts(engine: EnginePublisher) -> Iterator[Parts]:
    """Everything but the threads, on a store full of the sample."""
    found = engine.build()
    engine.fill()
    yield found
    engine.take_down()


@pytest.fixture(scope="module")
def web(parts: Parts) -> Iterator[TestClient]:
    with TestClient(parts.app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client
