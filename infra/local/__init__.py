"""Kafka, the schema registry and ClickHouse on this machine without Docker: started, found again, and ended.

All three start in parallel, detached, on free loopback ports; `services.json` in the folder remembers them. A second
`up` finds them running and gives the same addresses; one that died is started again on its ports. `up` either leaves
all three answering or nothing that it started.
"""

from infra.local.services import Services, Status, down, status, up

__all__ = ["Services", "Status", "down", "status", "up"]
