"""`rekindle sender` against Kafka and the registry, with files and a real SMTP server: each dispatch once."""

import json
import os
import random
import signal
import time
from collections import Counter
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller

from infra.local import ports
from tests.integration.sinks.support import codec_of, dispatches, produce, read_all, statuses
from tests.support import run_rekindle

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]

SOON_S = 60
STATIC = {"REKINDLE_INSTANCE": "a", "REKINDLE_CLOCK": "event"}
SENT = [("message_sent", None)]
TOO_LATE = [("message_failed", "too_late")]


@pytest.fixture
def codec(settings):
    return codec_of(settings)


@pytest.fixture
def outbox(settings):
    def lines(channel="sms"):
        path = settings.outbox / f"{channel}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return lines


class MailServer:
    """Takes everything, but nothing for those whose mailbox is full."""

    def __init__(self):
        self.messages = []
        self.full = set()

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        if address in self.full:
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        self.messages.append(message_from_bytes(envelope.content))
        return "250 OK"

    def ids(self):
        return [message["Message-ID"].strip("<>").partition("@")[0] for message in self.messages]


@pytest.fixture
def mail():
    (port,) = ports.choose(1)
    server = MailServer()
    server.port = port
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    yield server
    controller.stop()


def ids(count, start=0):
    return [f"d{number:06}" for number in range(start, start + count)]


def test_hands_over_reports_and_dedupes(settings, codec, outbox, process):
    produce(settings, codec, "send.sms", dispatches(40), broken_every=20)
    produce(settings, codec, "send.sms", dispatches(10))  # come again
    sender = process("sender", "sms", env=STATIC)
    sender.until(lambda: len(statuses(settings, codec)) == 40, SOON_S, "the statuses")
    produce(settings, codec, "send.sms", dispatches(15, start=30))  # ten of them come again, now in the ledger
    sender.until(lambda: len(statuses(settings, codec)) == 45, SOON_S, "the statuses")
    assert sender.terminate() == 0

    assert Counter(line["dispatch_id"] for line in outbox()) == Counter(ids(45))
    assert statuses(settings, codec) == dict.fromkeys(ids(45), SENT)
    letters = codec.decode_dead_letters([value for *_, value in read_all(settings, "dead.letters")])
    assert [(letter.topic, letter.value) for letter in letters] == [("send.sms", b"\x00broken")] * 2
    assert "+79161234567" not in sender.output


def test_statuses_are_stamped_and_keyed_for_the_member(settings, codec, process):
    (dispatch,) = dispatches(1)
    produce(settings, codec, "send.sms", [dispatch])
    sender = process("sender", "sms", env=STATIC)
    sender.until(lambda: statuses(settings, codec), SOON_S, "the status")
    ((_, _, key, value),) = read_all(settings, "delivery.statuses")
    (event,) = codec.decode_log([value], [key])
    assert (key, event.member_id, event.source) == (b"m0", "m0", "sender.sms")
    assert event.occurred_at == dispatch.at
    assert event.body == {"dispatch_id": "d000000", "channel": "sms"}


def test_by_the_wall_clock_what_is_too_late_is_not_handed_over(settings, codec, outbox, process):
    produce(settings, codec, "send.sms", dispatches(3, not_after=1_600_000_000_000))
    produce(settings, codec, "send.sms", dispatches(2, start=3))
    sender = process("sender", "sms", env={"REKINDLE_INSTANCE": "a"})
    sender.until(lambda: len(statuses(settings, codec)) == 5, SOON_S, "the statuses")
    assert statuses(settings, codec) == {
        **dict.fromkeys(ids(3), TOO_LATE),
        **dict.fromkeys(ids(2, 3), SENT),
    }
    assert sorted(line["dispatch_id"] for line in outbox()) == ids(2, 3)


def test_killed_again_and_again_the_file_has_every_dispatch_once(settings, codec, outbox, process):
    """Also by a second sender that shares the work; members' messages keep their order."""
    random.seed(5)
    produce(settings, codec, "send.sms", dispatches(3_000))
    slow = STATIC | {"REKINDLE_SENDER_CONCURRENCY": "25"}
    for kill in range(4):
        senders = [process("sender", "sms", env=slow)]
        if kill == 2:
            senders.append(process("sender", "sms", env=slow | {"REKINDLE_INSTANCE": "b"}))
        written = len(outbox())
        assert written < 3_000
        enough = written + random.randint(1, 300)
        for sender in senders:
            sender.until(lambda enough=enough: len(outbox()) >= enough, SOON_S, "some lines")
            sender.kill()
    last = process("sender", "sms", env=slow)
    last.until(lambda: len(statuses(settings, codec)) == 3_000, SOON_S, "all statuses")
    assert last.terminate() == 0

    assert Counter(line["dispatch_id"] for line in outbox()) == Counter(ids(3_000))
    assert statuses(settings, codec) == dict.fromkeys(ids(3_000), SENT)
    for member in range(20):
        own = [line["dispatch_id"] for line in outbox() if line["member_id"] == f"m{member}"]
        assert own == sorted(own)


def test_killed_in_the_middle_smtp_sends_nothing_twice_and_loses_nothing_silently(settings, codec, mail, process):
    random.seed(7)
    produce(settings, codec, "send.email", dispatches(1_200, channel="email", to="anna@example.com", members=200))
    by_mail = STATIC | {"REKINDLE_GATEWAY_EMAIL": "smtp", "REKINDLE_SMTP_PORT": str(mail.port)}
    for _ in range(3):
        sender = process("sender", "email", env=by_mail)
        enough = len(mail.messages) + random.randint(1, 200)
        sender.until(lambda enough=enough: len(mail.messages) >= enough, SOON_S, "some mails")
        sender.kill()
    last = process("sender", "email", env=by_mail)
    last.until(lambda: len(statuses(settings, codec)) == 1_200, SOON_S, "all statuses")
    assert last.terminate() == 0

    assert max(Counter(mail.ids()).values()) == 1
    reported = statuses(settings, codec)
    assert all(len(each) == 1 for each in reported.values())
    in_doubt = {name for name, each in reported.items() if each == [("message_failed", "in_doubt")]}
    assert len(in_doubt) <= 3 * 16
    assert {name for name, each in reported.items() if each == SENT} | in_doubt == set(ids(1_200))
    assert set(ids(1_200)) - set(mail.ids()) <= in_doubt


def test_a_gateway_that_is_down_holds_messages_back_until_it_returns(settings, codec, mail, process):
    produce(settings, codec, "send.email", dispatches(20, channel="email", to="anna@example.com"))
    (port,) = ports.choose(1)
    by_mail = STATIC | {"REKINDLE_GATEWAY_EMAIL": "smtp", "REKINDLE_SMTP_PORT": str(port)}
    sender = process("sender", "email", env=by_mail)
    sender.until(lambda: "trying again soon" in sender.output, SOON_S, "a first attempt")
    assert statuses(settings, codec) == {}
    server = MailServer()
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        sender.until(lambda: len(statuses(settings, codec)) == 20, SOON_S, "the statuses")
    finally:
        controller.stop()
    assert sorted(server.ids()) == ids(20)
    assert "anna" not in sender.output


def test_ended_while_the_gateway_is_down_it_gives_back_what_it_claimed(settings, codec, mail, process):
    produce(settings, codec, "send.email", dispatches(20, channel="email", to="anna@example.com"))
    (port,) = ports.choose(1)
    by_mail = STATIC | {"REKINDLE_GATEWAY_EMAIL": "smtp", "REKINDLE_SMTP_PORT": str(port)}
    first = process("sender", "email", env=by_mail)
    first.until(lambda: "trying again soon" in first.output, SOON_S, "a first attempt")
    assert first.terminate() == 0
    second = process("sender", "email", env=by_mail | {"REKINDLE_SMTP_PORT": str(mail.port)})
    second.until(lambda: len(statuses(settings, codec)) == 20, SOON_S, "the statuses")
    assert statuses(settings, codec) == dict.fromkeys(ids(20), SENT)
    assert sorted(mail.ids()) == ids(20)


def test_a_zombie_hands_over_nothing_that_its_heir_has_reported(settings, codec, process):
    produce(settings, codec, "send.email", dispatches(20, channel="email", to="anna@example.com"))
    (port,) = ports.choose(1)
    by_mail = STATIC | {"REKINDLE_GATEWAY_EMAIL": "smtp", "REKINDLE_SMTP_PORT": str(port)}
    zombie = process("sender", "email", env=by_mail)
    zombie.until(lambda: zombie.output.count("trying again soon") > 60, SOON_S, "attempts of all that it claimed")
    os.kill(zombie.pid, signal.SIGSTOP)
    heir = process("sender", "email", env=by_mail | {"REKINDLE_INSTANCE": "b"})
    heir.until(lambda: len(statuses(settings, codec)) >= 16, SOON_S, "what was in flight reported")
    server = MailServer()
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        heir.until(lambda: len(statuses(settings, codec)) == 20, SOON_S, "the statuses")
        os.kill(zombie.pid, signal.SIGCONT)
        zombie.until(lambda: "lost partitions" in zombie.output, SOON_S, "its loss")
        produce(settings, codec, "send.email", dispatches(20, channel="email", to="anna@example.com", start=20))
        heir.until(lambda: len(statuses(settings, codec)) == 40, SOON_S, "more statuses")
        assert (zombie.terminate(), heir.terminate()) == (0, 0)
    finally:
        controller.stop()
    reported = statuses(settings, codec)
    assert sorted(server.ids()) == sorted(name for name, each in reported.items() if each == SENT)
    assert Counter(map(str, reported.values())) == {str(SENT): 24, str([("message_failed", "in_doubt")]): 16}


def test_full_mailboxes_hold_up_nobody_and_are_in_no_doubt(settings, codec, mail, process):
    mail.full = {"boris@example.com"}
    produce(settings, codec, "send.email", dispatches(40, channel="email", to="boris@example.com", members=40))
    produce(settings, codec, "send.email", dispatches(20, channel="email", to="anna@example.com", members=90, start=40))
    by_mail = STATIC | {"REKINDLE_GATEWAY_EMAIL": "smtp", "REKINDLE_SMTP_PORT": str(mail.port)}
    first = process("sender", "email", env=by_mail)
    first.until(lambda: len(statuses(settings, codec)) == 20, SOON_S, "the others' statuses")
    assert sorted(mail.ids()) == ids(20, 40)
    first.until(lambda: first.output.count("trying again soon") >= 40, SOON_S, "every one put off")
    first.kill()
    mail.full = set()
    second = process("sender", "email", env=by_mail)
    second.until(lambda: len(statuses(settings, codec)) == 60, SOON_S, "all statuses")
    assert second.terminate() == 0
    in_doubt = [name for name, each in statuses(settings, codec).items() if each != SENT]
    assert len(in_doubt) <= 16  # what was being tried again at that very moment
    assert sorted(mail.ids()) == sorted(set(ids(60)) - set(in_doubt))


def test_a_rate_is_kept(settings, codec, outbox, process):
    produce(settings, codec, "send.sms", dispatches(60))
    sender = process("sender", "sms", env=STATIC | {"REKINDLE_SENDER_RATE": "20"})
    there = sender.until(outbox, SOON_S, "the first lines")
    began = time.monotonic()
    sender.until(lambda: len(outbox()) == 60, SOON_S, "all lines")
    assert time.monotonic() - began >= (60 - len(there) - 2) / 20 - 0.2


def test_wrong_use_is_said_at_once(environment):
    unknown = run_rekindle("sender", "pigeon", env=environment)
    assert unknown.returncode == 2
    assert "no channel 'pigeon': expected call_center" in unknown.stderr
    wrong = run_rekindle("sender", "sms", env=environment | {"REKINDLE_GATEWAY_SMS": "smtp"})
    assert wrong.returncode == 1
    assert "that gateway serves email only" in wrong.stderr
