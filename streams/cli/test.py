"""`rekindle test`: run the tests that stand beside the campaigns, and say what they reach."""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streams.check_campaigns import Outcome
    from streams.cover_campaigns import Coverage


@click.command()
@click.argument("campaigns", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--min-coverage",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail if the tests reach less of all actions and branches.",
)
def command(campaigns: Path, min_coverage: float | None) -> None:
    """Run every *_test.yaml of the directory CAMPAIGNS through the simulation.

    Prints one line per case; for each that fails what differs and what was decided; and which actions and branches of
    each campaign no case reached. A campaign runs in its own tests as if it were live, also a draft. Piped, the lines
    are JSON: `case` and `coverage`. Exit status 1 if a case fails, is none, or too little is reached.
    """
    from streams.check_campaigns import CampaignTests
    from streams.cover_campaigns import percent

    tests = CampaignTests(campaigns)
    terminal = sys.stdout.isatty()
    count = failed = 0
    for outcome in tests.run():
        count += 1
        failed += bool(outcome.complaints)
        (_tell_case if terminal else _print_case)(outcome, campaigns)
    coverages = tests.coverage()
    for coverage in coverages if not terminal else ():
        _print_coverage(coverage)
    if terminal:
        _tell_coverage(coverages)
    reached = percent(coverages)
    click.echo(f"{count} cases, {failed} failed; {reached} % of actions and branches reached", err=True)
    too_little = min_coverage is not None and reached < Decimal(str(min_coverage))
    if too_little:
        click.echo(f"rekindle: expected {min_coverage:g} % of actions and branches to be reached", err=True)
    if failed or too_little:
        sys.exit(1)


def _print_case(outcome: "Outcome", campaigns: Path) -> None:
    from schemas.values import format_time

    line = {
        "kind": "case",
        "file": str(outcome.file.relative_to(campaigns)),
        "line": outcome.line,
        "case": outcome.case,
        "passed": not outcome.complaints,
        "complaints": list(outcome.complaints),
        "diff": list(outcome.diff),
        "decided": [
            {
                "at": format_time(each.at),
                "member_id": each.member_id,
                "action": each.action,
                "outcome": each.outcome,
                "reason": each.reason,
            }
            for each in outcome.decided
        ],
    }
    click.echo(json.dumps(line, ensure_ascii=False))


def _print_coverage(coverage: "Coverage") -> None:
    from streams.cover_campaigns import percent

    line = {
        "kind": "coverage",
        "campaign": coverage.campaign,
        "percent": float(percent([coverage])),
        "actions": len(coverage.actions),
        "actions_reached": coverage.count(coverage.actions),
        "branches": len(coverage.branches),
        "branches_reached": coverage.count(coverage.branches),
        "not_reached": coverage.missed,
    }
    click.echo(json.dumps(line, ensure_ascii=False))


def _tell_case(outcome: "Outcome", campaigns: Path) -> None:
    from schemas.values import format_time
    from streams.engine.decision import REASONS

    word = click.style("failed", fg="red") if outcome.complaints else click.style("ok    ", fg="green")
    click.echo(f"{word} {outcome.file.relative_to(campaigns)}:{outcome.line}: {outcome.case}")
    for complaint in outcome.complaints:
        click.echo(f"       {complaint}")
    colours = {"-": "red", "+": "green"}
    for line in outcome.diff:
        click.echo("       " + click.style(line, fg=colours.get(line[0])))
    if outcome.decided:
        click.echo("       what was decided, and why:")
    for decision in outcome.decided:
        where = "entry" if decision.action is None and decision.outcome == "refused" else decision.action or "journey"
        told = f"{format_time(decision.at)} {decision.member_id} {where} {decision.outcome} ({decision.reason})"
        click.echo(f"       {told}: {REASONS[decision.reason]}")


def _tell_coverage(coverages: "list[Coverage]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("campaign", "actions", "branches", "not reached")
    for each in coverages:
        table.add_row(
            each.campaign,
            f"{each.count(each.actions)}/{len(each.actions)}",
            f"{each.count(each.branches)}/{len(each.branches)}",
            "\n".join(each.missed).replace("[", r"\["),
        )
    Console().print(table)
