"""The program `rekindle`: one command, one module of this package, found by its name and imported when it runs.

A module `streams/cli/local.py` holds `command`, a click command or group, and is `rekindle local`. Errors meant for a
person (`RekindleError`) end with one line on stderr and status 1; click answers wrong usage with status 2.
"""

import importlib
import pkgutil
import sys

import click
from typing_extensions import override

from streams.errors import RekindleError


class CommandsByModule(click.Group):
    """A group whose commands are the modules of this package."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command


@click.group(cls=CommandsByModule, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rekindle")
def rekindle() -> None:
    """Loyalty communications whose every decision is a pure function of the log."""


def main() -> None:
    """Run the program; exit with 0, 1 (failed) or 2 (usage)."""
    try:
        rekindle(standalone_mode=True)
    except RekindleError as error:
        click.echo(f"rekindle: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
