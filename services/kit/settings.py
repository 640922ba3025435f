"""All settings of all processes, read from the environment once. Knows names, types, defaults; decides nothing.

Every service reads this one object, because on one machine they share folders and find each other by these ports.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.contracts.errors import Misconfigured

_ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(BaseSettings):
    """Frozen settings; `Settings.load()` refuses unknown `PALETTE_` names with the nearest known one."""

    model_config = SettingsConfigDict(env_prefix="PALETTE_", frozen=True, extra="ignore", case_sensitive=False)

    data_dir: Path = Field(default=_ROOT / "var", description="Journal, store, logs, embedded Kafka.")
    cache_dir: Path = Field(default=_ROOT / ".cache", description="Verified Kafka jars; may be shared and kept.")
    policy_dir: Path = Field(default=_ROOT / "deploy" / "policy", description="The team-edited files.")
    bind: str = Field(default="127.0.0.1", description="Address that HTTP binds to; beyond loopback needs API keys.")
    api_port: int = Field(default=8080, ge=1, le=65535, description="Page and queries.")
    ingest_port: int = Field(default=8081, ge=1, le=65535, description="Intake.")
    kafka_port: int = Field(default=9092, ge=1, le=65535, description="The embedded Kafka.")
    classify_metrics_port: int = Field(default=9101, ge=1, le=65535, description="Health and metrics of classify.")
    router_metrics_port: int = Field(default=9102, ge=1, le=65535, description="Health and metrics of router.")
    notify_metrics_port: int = Field(default=9103, ge=1, le=65535, description="Health and metrics of notify.")
    sample: bool = Field(default=True, description="Play the bundled sample when the data folder is empty.")
    api_url: str = Field(default="", description="Where other services reach the API; empty means the page's address.")
    classify_url: str = Field(default="", description="Where the API reaches classify; empty means this machine.")
    api_key_file: Path | None = Field(default=None, description="The key that a service shows to another that asks.")
    api_keys_file: Path | None = Field(default=None, description="Hashed API keys, one per line.")
    hosts: str = Field(default="", description="Further host names, comma-separated, that requests may name.")
    worker: str = Field(default="0", description="Name of this worker among those of its service; unique, stable.")
    public_url: str = Field(default="", description="Address of the page as people reach it, for links in messages.")
    pseudonym_key: SecretStr | None = Field(
        default=None, description="Key of customer pseudonyms; without it one is made and kept in the data folder."
    )
    journal_capacity_bytes: int = Field(default=1 << 30, ge=1 << 20, description="Bound of the intake's journal.")
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    topic_replicas: int = Field(default=1, ge=1, le=5, description="Copies of each topic; 1 embedded, 3 on a cluster.")
    topic_partitions: str = Field(default="embedded", description="Which partition counts: embedded or cluster.")
    allow_private_targets: bool = Field(default=False, description="Let webhooks go to private addresses.")

    kafka_bootstrap_servers: str | None = Field(
        default=None, validation_alias="KAFKA_BOOTSTRAP_SERVERS", description="A cluster instead of the embedded Kafka."
    )
    kafka_security_protocol: str = Field(default="PLAINTEXT", validation_alias="KAFKA_SECURITY_PROTOCOL")
    kafka_sasl_mechanism: str | None = Field(default=None, validation_alias="KAFKA_SASL_MECHANISM")
    kafka_sasl_username: str | None = Field(default=None, validation_alias="KAFKA_SASL_USERNAME")
    kafka_sasl_password: SecretStr | None = Field(default=None, validation_alias="KAFKA_SASL_PASSWORD")
    kafka_ssl_cafile: Path | None = Field(default=None, validation_alias="KAFKA_SSL_CAFILE")
    database_url: SecretStr | None = Field(
        default=None, validation_alias="DATABASE_URL", description="PostgreSQL; without it SQLite in the data folder."
    )

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Settings from the environment. Raises Misconfigured with every problem at once."""
        environment = os.environ if environment is None else environment
        problems = unknown_variables(environment)
        try:
            settings = cls()
        except ValidationError as error:
            problems += [f"{_variable(item['loc'])}: {item['msg']}" for item in error.errors(include_input=False)]
            raise Misconfigured(problems) from None
        if problems:
            raise Misconfigured(problems)
        return settings.model_copy(
            update={
                "data_dir": settings.data_dir.expanduser().resolve(),
                "cache_dir": settings.cache_dir.expanduser().resolve(),
                "policy_dir": settings.policy_dir.expanduser().resolve(),
            }
        )

    @property
    def bootstrap_servers(self) -> str:
        """Where Kafka is: the cluster that was named, else the embedded one."""
        return self.kafka_bootstrap_servers or f"127.0.0.1:{self.kafka_port}"

    @property
    def page_url(self) -> str:
        """Where people reach the page."""
        return self.public_url.rstrip("/") or f"http://{url_host(self.bind)}:{self.api_port}"

    def shown(self) -> dict[str, Any]:
        """All settings as they may be logged: secrets masked."""
        return {name: str(value) for name, value in self.model_dump(mode="python").items()}


def url_host(bind: str) -> str:
    """The host to write in a URL for an address that was bound to."""
    if bind in {"0.0.0.0", "::"}:  # noqa: S104 - compared with, never bound to
        return "127.0.0.1"
    return f"[{bind}]" if ":" in bind else bind


def variables() -> list[str]:
    """Every environment variable that Palette reads."""
    return sorted(_variable((name,)) for name in Settings.model_fields)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each `PALETTE_` variable that nothing reads. `PALETTE_TEST_` belongs to the tests."""
    known = variables()
    problems = []
    for name in sorted(environment):
        if name.startswith("PALETTE_") and not name.startswith("PALETTE_TEST_") and name not in known:
            # without the prefix, which would make any two names look alike
            by_stem = {variable.removeprefix("PALETTE_"): variable for variable in known}
            nearest = difflib.get_close_matches(name.removeprefix("PALETTE_"), by_stem, n=1)
            hint = f" Did you mean {by_stem[nearest[0]]}?" if nearest else " See README.md for the names."
            problems.append(f"{name} is not a setting of Palette.{hint}")
    return problems


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "?"
    field = Settings.model_fields.get(name)
    if field is not None and isinstance(field.validation_alias, str):
        return field.validation_alias
    return name if name.isupper() else f"PALETTE_{name.upper()}"
