"""The gateways, one module each, found by name: `REKINDLE_GATEWAY_<CHANNEL>=file` is `sinks.senders.gateways.file`."""

import importlib
import pkgutil

from sinks.senders.gateway import Gateway
from streams.errors import RekindleError
from streams.settings import Settings, variable


def names() -> list[str]:
    """Every gateway's name."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def gateway_class(name: str) -> type[Gateway]:
    """Find the gateway of that name. Raises `RekindleError` naming those there are."""
    if name not in names():
        raise RekindleError(f"no gateway {name!r}: expected {' or '.join(names())}")
    found: type[Gateway] = importlib.import_module(f"{__name__}.{name}").GATEWAY
    return found


def make_gateway(settings: Settings, channel: str) -> Gateway:
    """Make the gateway that the settings name for a channel. Raises `RekindleError` if it serves others only."""
    setting = f"gateway_{channel}"
    name = getattr(settings, setting, "file")
    found = gateway_class(name)
    if found.channels is not None and channel not in found.channels:
        raise RekindleError(f"{variable(setting)}={name}: that gateway serves {', '.join(sorted(found.channels))} only")
    return found.create(settings, channel)
