"""`rekindle segments export`: who is in a segment, as a file, in a topic, and POSTed to an address."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web
from confluent_kafka.admin import AdminClient, NewTopic

from sinks.clickhouse.connect import connect
from sinks.clickhouse.migrate import migrate
from streams.kafka import client_config
from streams.programme import load
from streams.segments.export import members_of, to_file
from tests.stream_support import read_topic
from tests.support import run_rekindle, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics", "fresh_database")]

SECRET = "0123456789abcdef"
FILES = {
    "c.yaml": "id: c\ntrigger: {segment_entered: vip}\nactions: []\n",
    "segments/vip.yaml": "id: vip\n",
    "segments/riga.yaml": "id: riga\nwhere: {member.city: 'Ri{ga} %s'}\n",
}


@pytest.fixture
def client(settings):
    with connect(settings.clickhouse_dsn, create_database=True) as client:
        migrate(client)
        client.command(
            "INSERT INTO profiles (member_id, city, segments_assigned, rfm_segment) "
            "SELECT concat('m', leftPad(toString(number), 5, '0')), if(number = 7, 'Ri{ga} %s', 'Oslo'), "
            "map('vip', number % 2 = 0), if(number < 3, 'lost', 'new') FROM numbers(2500)"
        )
        yield client


@pytest.fixture
def export(environment, client, tmp_path):
    """Export with the programme applied; the finished command."""
    for name, text in FILES.items():
        path = tmp_path / "programme" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert run_rekindle("campaigns", "apply", tmp_path / "programme", env=environment).returncode == 0

    def run(*arguments, env=()):
        return run_rekindle("segments", "export", *arguments, env={**environment, **dict(env)})

    return run


class Service:
    """A service that takes batches: what it got, and the statuses that it answers first."""

    def __init__(self) -> None:
        self.batches: list[tuple[dict[str, str], bytes]] = []
        self.refusals: list[int] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until(lambda: self.port, 30, "the service")

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        await self._ended.wait()
        await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.refusals:
            return web.Response(status=self.refusals.pop(0))
        self.batches.append((dict(request.headers), body))
        return web.Response()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


VIPS = [f"m{number:05}" for number in range(0, 2500, 2)]


def test_a_file_has_everyone_whatever_kind_of_segment_it_is(export, tmp_path):
    file = tmp_path / "out.csv"
    done = export("vip", "--to", file)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "vip: 1250 members exported\n"
    assert file.read_text().splitlines() == ["member_id", *VIPS]
    assert export("riga", "--to", file).returncode == 0
    assert file.read_text() == "member_id\nm00007\n"
    assert export("rfm.segment.lost", "--to", file).returncode == 0
    assert file.read_text() == "member_id\nm00000\nm00001\nm00002\n"
    unknown = export("nobody", "--to", file)
    assert unknown.returncode == 1
    assert "no segment nobody: it has everyone, riga, vip" in unknown.stderr
    assert file.read_text() == "member_id\nm00000\nm00001\nm00002\n"
    assert export("vip").returncode == 2
    assert export("vip", "--to", file, "--topic", "x").returncode == 2
    assert list(tmp_path.glob(".*.part")) == []


def test_portions_make_a_whole(client, tmp_path):
    client.command("INSERT INTO profiles (member_id, segments_assigned) VALUES ('a,\"b', map('vip', true))")
    programme = load([FILES])
    pages = list(members_of(client, programme, "vip", 0, page=100))
    assert [len(page) for page in pages] == [*[100] * 12, 51]
    assert sorted(member for page in pages for member in page) == sorted([*VIPS, 'a,"b'])
    to_file(tmp_path / "out.csv", iter(pages[:1]), lambda _: None)
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == '"a,""b"'


def test_a_topic_gets_a_record_per_member(settings, export):
    admin = AdminClient(client_config(settings))
    admin.create_topics([NewTopic("crm.segments", 2, 1)])["crm.segments"].result(30)
    done = export("vip", "--topic", "crm.segments")
    assert done.returncode == 0, done.stderr
    records = [record for part in read_topic(settings, "crm.segments").values() for record in part]
    assert sorted(record.key.decode() for record in records if record.key) == VIPS
    assert {json.loads(record.value)["segment"] for record in records} == {"vip"}
    assert all(json.loads(record.value)["member_id"].encode() == record.key for record in records)
    own = export("vip", "--topic", "members.registrations")
    assert own.returncode == 1
    assert "is a topic of the pipeline" in own.stderr
    assert "no topic nowhere" in export("vip", "--topic", "nowhere").stderr


def test_an_address_gets_signed_batches_and_is_asked_again_while_it_is_away(export, service):
    url = f"http://127.0.0.1:{service.port}/hook?key=hidden"
    service.refusals = [503, 429]
    env = {"REKINDLE_WEBHOOK_HOSTS": "crm.example, 127.0.0.1", "REKINDLE_WEBHOOK_SECRET": SECRET}
    done = export("vip", "--webhook", url, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "vip: 1250 members exported\n"
    bodies = [json.loads(body) for _, body in service.batches]
    assert [member for body in bodies for member in body["members"]] == VIPS
    assert [body["batch"] for body in bodies] == [1, 2]
    assert len({body["export"] for body in bodies}) == 1
    for headers, body in service.batches:
        expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-Rekindle-Signature"] == f"sha256={expected}"
        assert headers["Idempotency-Key"] == f"{json.loads(body)['export']}-{json.loads(body)['batch']}"
    service.refusals = [403]
    refused = export("vip", "--webhook", url, env=env)
    assert refused.returncode == 1
    assert "127.0.0.1 refused batch" in refused.stderr
    assert "status 403" in refused.stderr
    assert not any(secret in refused.stderr + done.stderr for secret in (SECRET, "hidden"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://elsewhere.example/hook", "the host elsewhere.example isn't allowed"),
        ("https://crm.example.evil.example/hook", "isn't allowed"),
        ("http://crm.example/hook", "in the clear"),
        ("ftp://crm.example/hook", "expected an address"),
        ("https://user:pass@crm.example/hook", "without user and password"),
        ("crm.example/hook", "expected an address"),
    ],
)
def test_an_address_that_is_not_allowed_is_refused(environment, url, message):
    env = {**environment, "REKINDLE_WEBHOOK_HOSTS": "crm.example"}
    done = run_rekindle("segments", "export", "vip", "--webhook", url, env=env)
    assert done.returncode == 1
    assert message in done.stderr
