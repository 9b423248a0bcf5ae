"""What the publisher refuses before any broker is asked."""

import pytest

from schemas.codec import VALUE_BYTES_MAX
from streams.publisher import NotPublishedError, Publisher
from streams.settings import Settings


def test_a_record_that_would_not_be_read_is_not_published() -> None:
    publisher = Publisher(Settings())
    with pytest.raises(NotPublishedError, match="Message size too large"):
        publisher.put("web.behaviour", b"x" * VALUE_BYTES_MAX, b"m", 1)
