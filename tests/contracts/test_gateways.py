"""What every gateway promises, run over each of them against a real counterpart: files, an SMTP server on loopback."""

import asyncio
import json
import random
import socket
from collections import Counter
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller

from sinks.senders.gateway import GatewayError, InDoubt, Rejected, TryLater, Unavailable
from sinks.senders.gateways import make_gateway, names
from sinks.senders.gateways.smtp import compose
from streams.consent.tokens import Signer
from streams.engine.addresses import HARD_BOUNCES
from streams.engine.commands import Dispatch
from streams.errors import RekindleError
from streams.settings import Settings
from tests.pipeline.gateway import Counterpart, MemoryGateway


def dispatch(number=1, **changes):
    made = Dispatch(
        at=1_500_000_000_000,
        dispatch_id=f"d{number}",
        member_id="m1",
        campaign="come-back",
        version=1,
        action="actions[0]",
        channel="email",
        to="anna@example.com",
        content={"text": "We miss you, Zoë", "subject": "Come back", "html": "<p>We miss you</p>", "image": None},
        messaging_type="marketing",
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@dataclass
class MailServer:
    """Answers as it is told to, and keeps what it took."""

    messages: list = field(default_factory=list)
    recipients: list = field(default_factory=list)
    answers: dict = field(default_factory=dict)

    async def handle_MAIL(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        envelope.mail_from = address
        return self.answers.get(address, "250 OK")

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        if answer := self.answers.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        self.recipients.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        answer = self.answers.get("data", "250 OK")
        if answer.startswith("2"):
            self.messages.append(message_from_bytes(envelope.content, policy=policy.SMTP))
        if answer == "hang up":
            self.messages.append(message_from_bytes(envelope.content, policy=policy.SMTP))
            server.transport.abort()
            return "250 never seen"
        return answer


class FileCounterpart:
    name = "file"

    def __init__(self, folder):
        self.settings = Settings(outbox=folder, gateway_email="file")
        self._path = folder / "email.jsonl"

    def arrived(self):
        return [json.loads(line)["dispatch_id"] for line in self._path.read_text().splitlines()]

    def close(self):
        pass


class SmtpCounterpart:
    name = "smtp"

    def __init__(self, folder, **offers):
        self.server = MailServer()
        port = free_port()
        self._controller = Controller(self.server, hostname="127.0.0.1", port=port, **offers)
        self._controller.start()
        self.settings = Settings(outbox=folder, gateway_email="smtp", smtp_port=port)

    def arrived(self):
        return [message["Message-ID"].strip("<>").partition("@")[0] for message in self.server.messages]

    def close(self):
        self._controller.stop()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MemoryCounterpart:
    """The other side of the gateway that the simulation of the pipeline uses."""

    can_be_asked = True

    def __init__(self, _folder):
        self.made = Counterpart(random.Random(1), self.can_be_asked)
        self.settings = self

    def arrived(self):
        return list(self.made.arrived)

    def close(self):
        pass


class SilentCounterpart(MemoryCounterpart):
    can_be_asked = False


REAL = {"file": FileCounterpart, "smtp": SmtpCounterpart}
COUNTERPARTS = REAL | {"memory": MemoryCounterpart, "memory, silent": SilentCounterpart}


def gateway_of(settings):
    """Make the gateway of a counterpart's settings, or the one in memory."""
    if isinstance(settings, MemoryCounterpart):
        return MemoryGateway(settings.made)
    return make_gateway(settings, "email")


@pytest.fixture(params=list(COUNTERPARTS))
def counterpart(request, tmp_path):
    made = COUNTERPARTS[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def mail(tmp_path):
    made = SmtpCounterpart(tmp_path)
    yield made
    made.close()


def hand_over(settings, *dispatches, at_once=False):
    """The outcomes of handing these over: what the gateway returned or raised."""

    async def run():
        gateway = gateway_of(settings)
        await gateway.open()
        try:
            if at_once:
                return await asyncio.gather(*map(gateway.hand_over, dispatches), return_exceptions=True)
            outcomes = []
            for each in dispatches:
                try:
                    outcomes.append(await gateway.hand_over(each))
                except GatewayError as error:
                    outcomes.append(error)
            return outcomes
        finally:
            await gateway.close()

    return asyncio.run(run())


# every gateway


def test_every_gateway_is_under_this_contract():
    assert names() == sorted(REAL)


def test_what_it_took_has_arrived(counterpart):
    assert hand_over(counterpart.settings, dispatch(1), dispatch(2)) == [(), ()]
    assert counterpart.arrived() == ["d1", "d2"]


def test_takes_as_many_at_a_time_as_it_says(counterpart):
    count = min(50, 2 * gateway_of(counterpart.settings).concurrency)
    outcomes = hand_over(counterpart.settings, *map(dispatch, range(count)), at_once=True)
    assert outcomes == [()] * count
    assert Counter(counterpart.arrived()) == Counter(f"d{number}" for number in range(count))


def test_goes_on_where_an_earlier_one_ended(counterpart):
    hand_over(counterpart.settings, dispatch(1))
    hand_over(counterpart.settings, dispatch(2))
    assert counterpart.arrived() == ["d1", "d2"]


def test_tells_truly_what_it_has_or_that_it_cannot(counterpart):
    async def run():
        gateway = gateway_of(counterpart.settings)
        await gateway.open()
        await gateway.hand_over(dispatch(1))
        found = await gateway.find(["d1", "d2"])
        await gateway.close()
        return found

    assert asyncio.run(run()) in {frozenset({"d1"}), None}


def test_an_unknown_gateway_is_named_with_those_there_are(tmp_path):
    with pytest.raises(RekindleError, match="no gateway 'pigeon': expected file or smtp"):
        make_gateway(Settings(outbox=tmp_path, gateway_email="pigeon"), "email")


def test_a_gateway_refuses_channels_that_it_does_not_serve(tmp_path):
    with pytest.raises(RekindleError, match="REKINDLE_GATEWAY_SMS=smtp: that gateway serves email only"):
        make_gateway(Settings(outbox=tmp_path, gateway_sms="smtp"), "sms")


# memory


def test_what_the_one_in_memory_did_not_take_has_not_arrived_and_doubts_are_told(tmp_path):
    told = set()
    for counterpart in (MemoryCounterpart(tmp_path), SilentCounterpart(tmp_path)):
        counterpart.made.failing = 0.8
        outcomes = hand_over(counterpart, *map(dispatch, range(60)), at_once=True)
        taken = {f"d{number}" for number, outcome in enumerate(outcomes) if outcome == ()}
        doubted = {f"d{number}" for number, outcome in enumerate(outcomes) if isinstance(outcome, InDoubt)}
        assert taken <= set(counterpart.arrived()) <= taken | doubted
        assert not (doubted and counterpart.can_be_asked)
        told |= {type(outcome) for outcome in outcomes}
    assert told == {tuple, Rejected, TryLater, Unavailable, InDoubt}


def test_the_one_in_memory_that_can_be_asked_takes_each_dispatch_once(tmp_path):
    asked, silent = MemoryCounterpart(tmp_path), SilentCounterpart(tmp_path)
    for counterpart in (asked, silent):
        hand_over(counterpart, dispatch(1), dispatch(1))
    assert (asked.arrived(), silent.arrived()) == (["d1"], ["d1", "d1"])


# file


@pytest.fixture
def outbox(tmp_path):
    return FileCounterpart(tmp_path)


def test_a_line_is_what_simulate_prints(outbox, tmp_path):
    hand_over(outbox.settings, dispatch(1, at=1_500_000_000_250, not_after=1_500_000_001_000))
    assert json.loads((tmp_path / "email.jsonl").read_text()) == {
        "kind": "dispatch",
        "at": "2017-07-14T02:40:00.250Z",
        "dispatch_id": "d1",
        "member_id": "m1",
        "campaign": "come-back",
        "version": 1,
        "action": "actions[0]",
        "channel": "email",
        "to": "anna@example.com",
        "content": {"text": "We miss you, Zoë", "subject": "Come back", "html": "<p>We miss you</p>"},
        "messaging_type": "marketing",
        "not_after": "2017-07-14T02:40:01Z",
    }


def test_a_dispatch_that_comes_again_has_one_line(outbox):
    hand_over(outbox.settings, dispatch(1), dispatch(1))
    assert outbox.arrived() == ["d1"]


def test_senders_that_share_the_file_write_each_dispatch_once(outbox):
    """As when a sender that was thought dead comes back: both hand over what was in flight."""

    async def run():
        gateways = [make_gateway(outbox.settings, "email") for _ in range(3)]
        await asyncio.gather(*(gateway.open() for gateway in gateways))
        for first in range(0, 60, 10):
            each = [gateway.hand_over(dispatch(number)) for gateway in gateways for number in range(first, first + 10)]
            await asyncio.gather(*each)
        await asyncio.gather(*(gateway.close() for gateway in gateways))

    asyncio.run(run())
    assert Counter(outbox.arrived()) == Counter(f"d{number}" for number in range(60))


def test_an_unfinished_line_of_a_sender_that_died_is_cut_off(outbox, tmp_path):
    hand_over(outbox.settings, dispatch(1))
    with (tmp_path / "email.jsonl").open("a") as file:
        file.write('{"kind": "dispatch", "dispatch_id": "d2", "con')
    hand_over(outbox.settings, dispatch(2))
    assert outbox.arrived() == ["d1", "d2"]


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path):
    (tmp_path / "outbox").write_text("a file")
    with pytest.raises(RekindleError, match=r"outbox/email\.jsonl cannot be written"):
        hand_over(Settings(outbox=tmp_path / "outbox", gateway_email="file"), dispatch(1))


# smtp


def test_an_email_has_its_parts_and_an_id_of_its_own(mail):
    hand_over(
        mail.settings, dispatch(1, content={"text": "Zoë", "subject": "Come\r\nBcc: x@y.z", "html": "<b>Zoë</b>"})
    )
    (message,) = mail.server.messages
    assert message["Message-ID"] == "<d1@example.com>"
    assert (message["To"], message["From"]) == ("anna@example.com", "loyalty@example.com")
    assert message["Subject"] == "Come Bcc: x@y.z"
    assert message["Bcc"] is None
    assert message["Date"] == "Fri, 14 Jul 2017 02:40:00 +0000"
    assert message.get_body(("plain",)).get_content().strip() == "Zoë"
    assert message.get_body(("html",)).get_content().strip() == "<b>Zoë</b>"


def test_an_email_in_other_letters_needs_no_more_than_7_bits(mail):
    content = {"text": "Привет, Анна", "subject": "Скидка", "html": "<b>Привет</b>"}
    hand_over(mail.settings, dispatch(1, content=content), dispatch(2, content=content, to="zoë@example.com"))
    assert compose(dispatch(1, content=content), "anna@example.com", "loyalty@example.com", None).isascii()
    for message in mail.server.messages:
        assert {part["Content-Transfer-Encoding"] for part in message.iter_parts()} <= {"base64", "quoted-printable"}
        assert message["Subject"] == "Скидка"
        assert message.get_body(("plain",)).get_content().strip() == "Привет, Анна"


def test_an_email_of_html_alone_is_html(mail):
    hand_over(mail.settings, dispatch(1, content={"subject": "S", "html": "<b>x</b>"}))
    assert mail.server.messages[0].get_content_type() == "text/html"


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        ("550 no such mailbox anna@example.com", Rejected, "address_rejected"),
        ("450 grey-listed", TryLater, "temporary_failure"),
        ("421 going down", Unavailable, "gateway_unavailable"),
    ],
)
def test_what_the_server_says_of_an_address(mail, answer, kind, reason):
    mail.server.answers["anna@example.com"] = answer
    first, second = hand_over(mail.settings, dispatch(1), dispatch(2, to="boris@example.com"))
    assert (type(first), first.reason) == (kind, reason)
    assert "anna" not in str(first)
    assert second == ()
    assert mail.arrived() == ["d2"]


@pytest.mark.parametrize(
    ("answer", "is_hard"),
    [
        ("550 5.1.1 <anna@example.com>: User unknown", True),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", True),
        ("556 does not accept mail", True),
        ("550 5.1.8 your domain does not resolve", False),
        ("550 5.2.2 mailbox full", False),
        ("550 5.7.1 relaying denied", False),
        ("554 5.7.1 Service unavailable; Client host blocked", False),
        ("554 Service unavailable; Client host blocked", False),
        ("552 too much mail", False),
    ],
)
def test_only_a_recipient_who_is_not_there_ends_the_address(mail, answer, is_hard):
    mail.server.answers["anna@example.com"] = answer
    (outcome,) = hand_over(mail.settings, dispatch(1))
    assert (type(outcome), outcome.reason in HARD_BOUNCES) == (Rejected, is_hard)
    assert outcome.reason in {"address_rejected", "recipient_refused"}


def test_a_server_that_refuses_us_refuses_no_dispatch(mail):
    """As when the credentials have run out: every dispatch of a mailing would fail, one after the other."""
    mail.server.answers["loyalty@example.com"] = "530 5.7.0 Authentication required"
    (outcome,) = hand_over(mail.settings, dispatch(1))
    assert (type(outcome), str(outcome)) == (Unavailable, "sender_refused: SMTP 530")
    del mail.server.answers["loyalty@example.com"]
    assert hand_over(mail.settings, dispatch(1)) == [()]


def test_refused_content_is_rejected(mail):
    mail.server.answers["data"] = "554 spam"
    (outcome,) = hand_over(mail.settings, dispatch(1))
    assert (type(outcome), outcome.reason) == (Rejected, "content_rejected")


def test_a_connection_that_breaks_after_the_text_leaves_it_in_doubt(mail):
    mail.server.answers["data"] = "hang up"
    (outcome,) = hand_over(mail.settings, dispatch(1))
    assert (type(outcome), outcome.reason) == (InDoubt, "in_doubt")


@pytest.mark.parametrize("answer", ["200 taken", "251 will forward", "Thank you"])
def test_an_answer_to_the_text_that_refuses_nothing_leaves_it_in_doubt(mail, answer):
    """It was taken for "not now", and the text sent again, for a quarter of an hour."""
    mail.server.answers["data"] = answer
    (outcome,) = hand_over(mail.settings, dispatch(1))
    assert (type(outcome), outcome.reason) == (InDoubt, "in_doubt")


def test_a_server_that_is_down_is_unavailable(tmp_path):
    (outcome,) = hand_over(Settings(outbox=tmp_path, gateway_email="smtp", smtp_port=free_port()), dispatch(1))
    assert type(outcome) is Unavailable


@pytest.mark.parametrize("to", ["", "anna", "anna@example.com\r\nBcc: x@y.z", "zoë@exa_mple", "a@b, c@d"])
def test_what_is_no_address_is_rejected_without_asking(mail, to):
    (outcome,) = hand_over(mail.settings, dispatch(1, to=to))
    assert (type(outcome), outcome.reason) == (Rejected, "invalid_address")


@pytest.mark.parametrize(
    ("to", "sent_to"),
    [
        ("ann@почта.рф", "ann@xn--80a1acny.xn--p1ai"),
        ("ann@xn--80a1acny.xn--p1ai", "ann@xn--80a1acny.xn--p1ai"),
        ("ann@münchen.de", "ann@xn--mnchen-3ya.de"),
        ("zoë@münchen.de", "zoë@xn--mnchen-3ya.de"),
    ],
)
def test_an_address_in_other_letters_is_sent_to(mail, to, sent_to):
    assert hand_over(mail.settings, dispatch(1, to=to), dispatch(2)) == [(), ()]
    assert mail.server.recipients == [sent_to, "anna@example.com"]
    assert mail.server.messages[0]["To"] == sent_to


def test_a_server_without_smtputf8_ends_no_address(tmp_path):
    counterpart = SmtpCounterpart(tmp_path, enable_SMTPUTF8=False)
    try:
        refused, domain, plain = hand_over(
            counterpart.settings, dispatch(1, to="zoë@example.com"), dispatch(2, to="ann@münchen.de"), dispatch(3)
        )
    finally:
        counterpart.close()
    assert (type(refused), refused.reason, domain, plain) == (Rejected, "smtputf8_unsupported", (), ())
    assert refused.reason not in HARD_BOUNCES
    assert counterpart.arrived() == ["d2", "d3"]


def test_a_sender_address_that_is_none_is_said_at_once(tmp_path):
    settings = replace(Settings(outbox=tmp_path, gateway_email="smtp"), smtp_from="nobody")
    with pytest.raises(RekindleError, match="REKINDLE_SMTP_FROM"):
        make_gateway(settings, "email")


def test_an_e_mail_has_a_link_for_one_click_that_says_whose_it_is(tmp_path):
    secret = "0123456789abcdef-secret"
    counterpart = SmtpCounterpart(tmp_path)
    settings = replace(counterpart.settings, links_url="https://links.example.com", links_secret=secret)
    marketing = dispatch(1, member_id="m" * 200)
    try:
        for made in (marketing, dispatch(2, messaging_type="service")):
            asyncio.run(handed_over(settings, made))
    finally:
        counterpart.close()
    message, service = counterpart.server.messages
    token = message["List-Unsubscribe"].removeprefix("<https://links.example.com/u/").removesuffix(">")
    assert Signer([secret]).read(token, marketing.at).member_id == marketing.member_id
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Subject"] == "Come back"
    assert service["List-Unsubscribe"] is None


async def handed_over(settings, made):
    gateway = make_gateway(settings, "email")
    await gateway.open()
    try:
        await gateway.hand_over(made)
    finally:
        await gateway.close()
