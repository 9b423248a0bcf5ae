import pytest

from streams.engine.channels import CHANNELS


def test_the_channels_are_those_of_the_contract() -> None:
    assert set(CHANNELS) == {
        *("sms", "email", "push", "viber", "social", "in_app", "voice", "chat_bot", "call_center", "receipt", "cashier")
    }


def test_receipt_and_cashier_alone_are_exempt() -> None:
    assert {name for name, channel in CHANNELS.items() if channel.exempt} == {"receipt", "cashier"}


def test_social_templates_alone_need_moderation() -> None:
    assert {name for name, channel in CHANNELS.items() if channel.moderated} == {"social"}


@pytest.mark.parametrize(
    ("channel", "parts", "suits"),
    [
        ("sms", {"text"}, True),
        ("sms", {"text", "html", "image"}, True),
        ("sms", {"html"}, False),
        ("email", {"subject", "text"}, True),
        ("email", {"subject", "html"}, True),
        ("email", {"subject", "text", "html"}, True),
        ("email", {"text", "html"}, False),
        ("email", {"subject"}, False),
        ("push", {"text"}, True),
        ("push", {"image", "title"}, True),
        ("push", {"title", "url"}, False),
        ("in_app", {"text", "title", "url", "image"}, True),
        ("viber", {"text"}, True),
        ("viber", {"image"}, True),
        ("viber", {"text", "button"}, True),
        ("viber", {"text", "image", "button"}, True),
        ("viber", {"text", "image"}, False),
        ("viber", {"image", "button"}, False),
        ("viber", {"button"}, False),
    ],
)
def test_parts_that_make_a_message(channel: str, parts: set[str], suits: bool) -> None:
    assert (CHANNELS[channel].problem(parts) is None) is suits


def test_a_problem_says_what_was_expected() -> None:
    message = CHANNELS["viber"].problem({"text", "image"})
    assert (
        message == "channel `viber` takes text, or image, or text + button, or text + image + button; "
        "the template has text + image"
    )
