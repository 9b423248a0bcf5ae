"""A secured cluster: the broker asks for TLS and a SCRAM password, the registry and ClickHouse for TLS and a password.

Every part of the pipeline works over it; wrong credentials and strangers' certificates are told in a line that names
the setting; and no password is ever written.
"""

import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from infra.local import ports
from infra.local.service import Place
from sinks.clickhouse.connect import connect
from streams import settings as settings_module
from streams.clock import wall_clock
from streams.runtime.lag import LagReader
from tests.own_broker import Proxy, own_broker
from tests.stream_support import read_topic, write_events
from tests.support import ROOT, Command, Guard, renew_database, run_rekindle

pytestmark = pytest.mark.services
NAME, PASSWORD, WRONG = "pipeline", "c0rrect-h0rse", "wr0ng-h0rse"
MECHANISM = "SCRAM-SHA-512"
COUNTED = "SELECT count() FROM dispatches WHERE channel = 'sms'"


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the authority of all servers, a server's certificate, and a stranger's authority."""
    folder = tmp_path_factory.mktemp("authorities")
    ours = trustme.CA()
    server = ours.issue_cert(ports.HOST)
    ours.cert_pem.write_to_path(folder / "ours.pem")
    trustme.CA().cert_pem.write_to_path(folder / "strangers.pem")
    key = load_pem_private_key(server.private_key_pem.bytes(), None)
    kind = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()  # the only one that Java reads
    chain = b"".join(each.bytes() for each in server.cert_chain_pems)
    (folder / "server.pem").write_bytes(key.private_bytes(*kind) + chain)
    return folder


@pytest.fixture(scope="module")
def secured(
    module_environment: dict[str, str], authorities: Path, tmp_path_factory: pytest.TempPathFactory, guard: Guard
) -> Iterator[dict[str, str]]:
    """The settings of a pipeline whose services are all secured."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(authorities / "server.pem")
    registry = urlsplit(module_environment["REKINDLE_SCHEMA_REGISTRY_URL"])
    clickhouse = urlsplit(module_environment["REKINDLE_CLICKHOUSE_DSN"])
    ca = authorities / "ours.pem"
    with ExitStack() as stack:
        far_registry, far_clickhouse = (
            stack.enter_context(Proxy(port, tls, f"{NAME}:{PASSWORD}").running(target.port or 0)).port
            for port, target in zip(ports.choose(2), (registry, clickhouse), strict=True)
        )
        directory = tmp_path_factory.mktemp("secured") / "broker"
        place = stack.enter_context(own_broker(directory, guard, security=_security(authorities)))
        _admit(place)
        yield {
            **module_environment,
            "REKINDLE_CLOCK": "event",
            "REKINDLE_KAFKA_BOOTSTRAP_SERVERS": f"{ports.HOST}:{place.ports['host']}",
            "REKINDLE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "REKINDLE_KAFKA_SASL_MECHANISM": MECHANISM,
            "REKINDLE_KAFKA_SASL_USERNAME": NAME,
            "REKINDLE_KAFKA_SASL_PASSWORD": PASSWORD,
            "REKINDLE_KAFKA_SSL_CA_LOCATION": str(ca),
            "REKINDLE_SCHEMA_REGISTRY_URL": f"https://{ports.HOST}:{far_registry}{registry.path}",
            "REKINDLE_SCHEMA_REGISTRY_USERNAME": NAME,
            "REKINDLE_SCHEMA_REGISTRY_PASSWORD": PASSWORD,
            "REKINDLE_SCHEMA_REGISTRY_SSL_CA_LOCATION": str(ca),
            "REKINDLE_CLICKHOUSE_DSN": (
                f"https://{NAME}:{PASSWORD}@{ports.HOST}:{far_clickhouse}{clickhouse.path}?ca_cert={ca}"
            ),
        }


def _security(authorities: Path) -> str:
    listener = "listener.name.host"
    scram = f"{listener}.{MECHANISM.lower()}.sasl.jaas.config"
    return f"""
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,HOST:SASL_SSL
{listener}.sasl.enabled.mechanisms={MECHANISM}
{scram}=org.apache.kafka.common.security.scram.ScramLoginModule required;
{listener}.ssl.keystore.type=PEM
{listener}.ssl.keystore.location={authorities / "server.pem"}
"""


def _admit(place: Place) -> None:
    """Tell the broker the password, over its other listener."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, iterations=4096)
    change = UserScramCredentialUpsertion(NAME, info, PASSWORD.encode())
    client = AdminClient({"bootstrap.servers": f"{ports.HOST}:{place.ports['broker']}"})
    client.alter_user_scram_credentials([change])[NAME].result(10)


@pytest.mark.timeout(180)
def test_every_part_works_over_it(
    secured: dict[str, str], process: Callable[..., Command], tmp_path: Path, settings: settings_module.Settings
) -> None:
    events = write_events(tmp_path / "events.jsonl", 200, 20, seed=8)
    renew_database(settings)  # through the open door: the same ClickHouse
    own = {**secured, "REKINDLE_DATA_DIR": str(tmp_path / "data"), "REKINDLE_OUTBOX": str(tmp_path / "outbox")}
    printed = [
        _succeeds(*command, env=own)
        for command in (
            ("topics", "create"),
            ("campaigns", "apply", ROOT / "campaigns"),
            ("publish", events),
            ("settings",),
        )
    ]
    running = [process(*command, env=own) for command in (("worker",), ("sender", "sms"), ("sink",))]
    worker, sender, sink = running
    worker.until(lambda: "members has partitions" in worker.output, 60, "its partitions")
    printed.append(_succeeds("status", "--wait", "60", env=own))
    wanted = sum(map(len, read_topic(settings_module.load(own), "send.sms").values()))
    assert wanted > 20
    outbox = tmp_path / "outbox"
    sender.until(lambda: _lines(outbox) == wanted, 30, "the messages")
    with connect(own["REKINDLE_CLICKHOUSE_DSN"]) as client:
        sink.until(lambda: client.command(COUNTED) == wanted, 30, "the rows")
    for command in running:
        assert command.terminate(15) == 0, command.output
    reader = LagReader(settings_module.load(own))
    told = [(row.stage, row.committed_at) for row in reader.read() if row.committed is not None]
    reader.close()
    assert {stage for stage, _ in told} == {"ingest", "members", "profiles", "sender-sms", "sink"}
    assert all(0 <= wall_clock() - (at or 0) < 180_000 for _, at in told), "whoever commits says when"
    printed.append(_succeeds("log", "--export", tmp_path / "log.jsonl", env=own))
    assert not [text for text in (*printed, *(command.output for command in running)) if PASSWORD in text]


@pytest.mark.parametrize(
    ("command", "setting", "value", "named"),
    [
        (("worker",), "KAFKA_SASL_PASSWORD", WRONG, "refuses the credentials (REKINDLE_KAFKA_SASL_MECHANISM"),
        (("worker",), "KAFKA_SSL_CA_LOCATION", "strangers.pem", "REKINDLE_KAFKA_SSL_CA_LOCATION"),
        (("sender", "sms"), "KAFKA_SASL_USERNAME", WRONG, "refuses the credentials (REKINDLE_KAFKA_SASL_MECHANISM"),
        (("topics", "create"), "SCHEMA_REGISTRY_PASSWORD", WRONG, "REKINDLE_SCHEMA_REGISTRY_PASSWORD"),
        (("topics", "create"), "SCHEMA_REGISTRY_SSL_CA_LOCATION", "strangers.pem", "REGISTRY_SSL_CA_LOCATION"),
        (("topics", "create"), "SCHEMA_REGISTRY_SSL_CA_LOCATION", "missing.pem", "REGISTRY_SSL_CA_LOCATION"),
    ],
)
def test_what_is_refused_is_told(
    secured: dict[str, str], authorities: Path, command: tuple[str, ...], setting: str, value: str, named: str
) -> None:
    own = {f"REKINDLE_{setting}": str(authorities / value) if "LOCATION" in setting else value}
    _is_told(run_rekindle(*command, env={**secured, **own}), named)


@pytest.mark.parametrize(("old", "new"), [(PASSWORD, WRONG), ("ours.pem", "strangers.pem")])
def test_what_clickhouse_refuses_is_told(secured: dict[str, str], old: str, new: str) -> None:
    _succeeds("topics", "create", env=secured)
    dsn = secured["REKINDLE_CLICKHOUSE_DSN"].replace(old, new)
    _is_told(run_rekindle("sink", env={**secured, "REKINDLE_CLICKHOUSE_DSN": dsn}), "REKINDLE_CLICKHOUSE_DSN")


def _is_told(done: subprocess.CompletedProcess[str], named: str) -> None:
    assert done.returncode == 1, done.stdout
    line = done.stderr.splitlines()[-1]
    assert line.startswith("rekindle: ")
    assert named in line
    assert "h0rse" not in done.stderr


def _lines(outbox: Path) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in outbox.rglob("*.jsonl"))


def _succeeds(*command: str | Path, env: dict[str, str]) -> str:
    done = run_rekindle(*command, env=env, seconds=100)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
