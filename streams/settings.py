"""Every setting: read from the environment once, at the edge, and handed inwards as one value.

Secrets come from the environment only and are never shown: `rekindle settings` masks them.
"""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from streams.errors import RekindleError

PREFIX = "REKINDLE_"
HIDDEN = "***"


PORT_MAX = 65_535
_NAME = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]{1,100}")
"""What Kafka takes for part of a name, and is no other folder."""


def _setting(default: Any, doc: str, *, secret: bool = False, least: int = 0, most: int | None = None) -> Any:
    """Declare a setting; `least` and `most` bound a number."""
    return field(default=default, metadata={"doc": doc, "secret": secret, "bounds": (least, most)}, repr=not secret)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All settings, each from the environment variable `REKINDLE_<NAME>`."""

    kafka_bootstrap_servers: str = _setting("127.0.0.1:9092", "host:port of the Kafka brokers, separated by commas")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = _setting(
        "PLAINTEXT", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = _setting(
        None, "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_sasl_username: str | None = _setting(None, "user name for SASL")
    kafka_sasl_password: str | None = _setting(None, "password for SASL", secret=True)
    kafka_ssl_ca_location: str | None = _setting(None, "file with the certificates of trusted authorities")
    kafka_ssl_certificate_location: str | None = _setting(None, "file with the client's certificate")
    kafka_ssl_key_location: str | None = _setting(None, "file with the client's key")
    kafka_ssl_key_password: str | None = _setting(None, "password of the client's key", secret=True)
    schema_registry_url: str = _setting(
        "http://127.0.0.1:8081/apis/ccompat/v7", "address of the schema registry (Confluent-compatible interface)"
    )
    schema_registry_username: str | None = _setting(None, "user name for the schema registry")
    schema_registry_password: str | None = _setting(None, "password for the schema registry", secret=True)
    schema_registry_ssl_ca_location: str | None = _setting(
        None, "file with the authorities that the registry's certificate is checked by; else the system's"
    )
    clickhouse_dsn: str = _setting(
        "http://127.0.0.1:8123/rekindle",
        "address and database of ClickHouse, http(s)://[user[:password]@]host:port/db[?ca_cert=FILE]",
        secret=True,
    )
    data_dir: Path = _setting(Path("build/data"), "folder for the workers' local state")
    local_dir: Path = _setting(Path("build/local"), "folder of the services that `rekindle local up` starts")
    cache_dir: Path | None = _setting(
        None, "folder for what `rekindle local up` downloads; else the user's cache folder"
    )
    maven_mirror: str | None = _setting(None, "address of a Maven repository to download from; else the central one")
    instance: str | None = _setting(None, "stable name of this worker: a restart takes its partitions back at once")
    clock: Literal["wall", "event"] = _setting("wall", "wall: ticks by the clock; event: ticks follow the events' time")
    clock_tolerance_seconds: int = _setting(
        300,
        "by the wall clock, how far an ingest worker's clock may be from the Kafka broker's: beyond, it writes no tick "
        "and ends; 0: they aren't compared",
    )
    partitions: int = _setting(
        4, "partitions of the source topics and member.events, fixed when topics are created", least=1
    )
    replication_factor: int = _setting(1, "replicas of each topic, when topics are created", least=1)
    topic_profile: Literal["replay", "production"] = _setting(
        "replay", "replay: keeps history of any age; production: the retention that each topic declares"
    )
    metrics_port: int = _setting(
        0,
        "port of /metrics, /health and /ready, a worker takes the next two as well; 0 takes any free one and logs it",
        most=PORT_MAX - 2,
    )
    metrics_host: str = _setting("127.0.0.1", "address that /metrics listens on")
    group_prefix: str = _setting("rekindle", "prefix of consumer groups, changelogs and transactional ids")
    master_key: str | None = _setting(
        None,
        "what wraps the keys of members: base64 of 32 random bytes; several with commas: the first wraps, all unwrap; "
        "WITHOUT IT NOTHING IS SEALED in member.events, and an erasure doesn't reach what stands there",
        secret=True,
    )
    batch_records_max: int = _setting(5000, "records handled in one transaction, at most", least=1)
    watchdog_seconds: int = _setting(
        120, "after that number of seconds with lag and without progress a worker ends; 0: never"
    )
    outbox: Path = _setting(Path("build/outbox"), "folder that the file gateway writes to")
    gateway_sms: str = _setting("file", "gateway of the sms channel")
    gateway_email: str = _setting("file", "gateway of the email channel: file or smtp")
    smtp_host: str = _setting("127.0.0.1", "SMTP server")
    smtp_port: int = _setting(25, "port of the SMTP server", least=1, most=PORT_MAX)
    smtp_username: str | None = _setting(None, "user name for SMTP")
    smtp_password: str | None = _setting(None, "password for SMTP", secret=True)
    smtp_starttls: bool = _setting(False, "whether SMTP must use STARTTLS")
    smtp_from: str = _setting("loyalty@example.com", "sender address of e-mails")
    links_url: str | None = _setting(
        None, "public address of `rekindle links`, https://…: the beginning of unsubscribe and confirm links"
    )
    links_secret: str | None = _setting(
        None, "secret that signs links; several with commas: the first signs, all are accepted", secret=True
    )
    links_days: int = _setting(90, "days after its message for which a link is accepted", least=1)
    links_host: str = _setting("127.0.0.1", "address that `rekindle links` listens on")
    links_port: int = _setting(8085, "port that `rekindle links` listens on; 0 takes any free one", most=PORT_MAX)
    sender_rate: int = _setting(0, "hand-overs per second of one sender process, at most; 0 for no limit")
    sender_concurrency: int = _setting(0, "hand-overs at a time of one sender process; 0 for what suits the gateway")
    sender_in_doubt: Literal["fail", "repeat"] = _setting(
        "fail", "a dispatch that the gateway may or may not have taken: fail (never twice) or repeat (never lost)"
    )
    sink_linger_ms: int = _setting(1000, "how long a record waits for others before it is inserted into ClickHouse")
    sink_erase_seconds: int = _setting(
        3600,
        "how often rows of erased members are deleted from ClickHouse: each time rewrites what holds some",
        least=1,
    )
    sink_batch_records: int = _setting(
        20_000, "records of one partition inserted into ClickHouse at a time, at most", least=1
    )
    segments_rate: int = _setting(
        25_000, "events per second by which uploads, SQL segments and RFM are published, at most; 0 for no limit"
    )
    segments_lag: int = _setting(
        20_000, "records that the workers haven't handled yet, beyond which that publishing pauses; 0: it never does"
    )
    segments_sql_seconds: int = _setting(600, "seconds that ClickHouse may take for the SQL of one segment", least=1)
    segments_sql_members: int = _setting(50_000_000, "members that the SQL of one segment may select", least=1)
    webhook_hosts: str = _setting("", "hosts that segments may be exported to, separated by commas; without any, none")
    webhook_secret: str | None = _setting(None, "secret by which batches of such an export are signed", secret=True)
    compiled: Literal["auto", "0", "1"] = _setting(
        "auto", "the engine's machine code: auto: if it was compiled; 1: or end with an error; 0: plain Python"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting("INFO", "DEBUG, INFO, WARNING or ERROR")

    def describe(self) -> list[tuple[str, str, str]]:
        """(environment variable, value with secrets masked, sentence), in the order of declaration."""
        rows = []
        for item in fields(self):
            value = getattr(self, item.name)
            shown = "" if value is None else str(value)
            if item.metadata["secret"] and value is not None:
                shown = _without_credentials(shown) if item.name == "clickhouse_dsn" else HIDDEN
            rows.append((variable(item.name), shown, item.metadata["doc"]))
        return rows


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment. Raises `RekindleError` naming the variable and what was expected."""
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for item in fields(Settings):
        raw = environment.get(variable(item.name))
        if raw is None or raw == "":
            continue
        values[item.name] = _convert(item.name, str(item.type), raw, item.metadata["bounds"])
        assert item.default is not MISSING
    settings = Settings(**values)
    _check_sasl(settings)
    _check_names(settings)
    if "@" in settings.schema_registry_url:  # it stands in messages and logs
        name = variable("schema_registry_url")
        user, password = variable("schema_registry_username"), variable("schema_registry_password")
        raise RekindleError(f"{name}: expected an address without user and password: they are {user} and {password}")
    return settings


def misspelt(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables that are no settings, but look like one; with the one that each may stand for."""
    environment = os.environ if environment is None else environment
    known = [variable(item.name) for item in fields(Settings)]
    unknown = (name for name in sorted(environment) if name.startswith(PREFIX) and name not in known)
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.85) for name in unknown}
    return {name: found[0] for name, found in near.items() if found}


def _check_sasl(settings: Settings) -> None:
    if not settings.kafka_security_protocol.startswith("SASL"):
        return
    names = ("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
    if missing := [variable(name) for name in names if getattr(settings, name) is None]:
        raise RekindleError(
            f"{variable('kafka_security_protocol')}={settings.kafka_security_protocol} needs {' and '.join(missing)}"
        )


def _check_names(settings: Settings) -> None:
    for name in ("instance", "group_prefix"):
        value = getattr(settings, name)
        if value is not None and not _NAME.fullmatch(value):
            raise RekindleError(f"{variable(name)}={value!r}: expected letters, digits, `.`, `_` and `-`, at most 100")


def _convert(name: str, kind: str, raw: str, bounds: tuple[int, int | None]) -> Any:
    if "Literal" in kind:
        inside = kind[kind.index("Literal[") + len("Literal[") : kind.index("]")]
        allowed = [part.strip(" '\"") for part in inside.split(",")]
        if raw not in allowed:
            raise RekindleError(f"{variable(name)}={raw!r}: expected {' or '.join(allowed)}")
        return raw
    if "Path" in kind:
        return Path(raw)
    if "bool" in kind:
        if raw.lower() in {"1", "true", "yes", "on"}:
            return True
        if raw.lower() in {"0", "false", "no", "off"}:
            return False
        raise RekindleError(f"{variable(name)}={raw!r}: expected true or false")
    if "int" in kind:
        return _number(name, raw, *bounds)
    return raw


def _number(name: str, raw: str, least: int, most: int | None) -> int:
    try:
        number = int(raw)
    except ValueError:
        raise RekindleError(f"{variable(name)}={raw!r}: expected a whole number") from None
    if number < least or (most is not None and number > most):
        upwards = f"at least {least}" if most is None else f"{least} to {most}"
        raise RekindleError(f"{variable(name)}={raw!r}: expected a whole number, {upwards}")
    return number


def _without_credentials(value: str) -> str:
    """Give an address without user and password, and without what is said behind it but for `ca_cert`."""
    scheme, separator, rest = value.partition("://")
    if not separator:
        return HIDDEN
    rest = re.sub(r"([?&](?!ca_cert=)[^=&]*=)[^&]*", rf"\1{HIDDEN}", rest)
    return f"{scheme}://{HIDDEN}@{rest.rsplit('@', 1)[1]}" if "@" in rest else f"{scheme}://{rest}"
