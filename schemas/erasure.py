"""The news that a member was erased, for whoever keeps something of them: the sink, and other systems."""

import msgspec


class Erasure(msgspec.Struct, kw_only=True):
    """What is of `at` or earlier goes: the member's clock when they were erased. All times are in ms since the epoch.

    `occurred_at` is the time of the `member_erased`.
    """

    at: int
    member_id: str
    occurred_at: int
