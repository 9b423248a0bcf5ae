"""A request to a broker waits for its pause, and one that is called off meanwhile answers as a request does."""

import asyncio
import time

from streams.runtime.consumer import paced

PAUSE_SECONDS = 0.02


def test_requests_to_one_broker_keep_their_distance_and_may_be_called_off() -> None:
    times: list[float] = []

    async def fetch(assignment: object, node: int, request: object) -> bool:
        del assignment, node, request
        times.append(time.monotonic())
        return True

    async def scenario() -> None:
        request = paced(fetch, PAUSE_SECONDS)
        assert await request(None, 1, None)
        assert await request(None, 1, None)
        called_off = asyncio.ensure_future(request(None, 1, None))
        await asyncio.sleep(0)
        called_off.cancel()
        assert await called_off is False, "whoever closes the client waits for it"

    asyncio.run(scenario())
    assert len(times) == 2
    assert times[1] - times[0] >= PAUSE_SECONDS
