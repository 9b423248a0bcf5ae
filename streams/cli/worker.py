"""`rekindle worker`: the long-running part that turns events into commands."""

import os
import sys

import click

STAGES = ("ingest", "members", "profiles")
BEHIND_OTHERS = 10
"""How much lower the priority of profiles is: nobody waits for them as a member does for a message."""


@click.command()
@click.option("--only", type=click.Choice(STAGES), help="Run one stage alone, in this process.")
@click.option("--parent", type=int, hidden=True, help="Pid of the worker that this process must not outlive.")
@click.option("--beside", type=int, multiple=True, hidden=True, help="Metrics ports of the stages to answer for.")
def command(only: str | None, parent: int | None, beside: tuple[int, ...]) -> None:
    """Run the stages: ingest writes the log of events, members decides, profiles carries on what is known of members.

    Start as many workers as there are partitions at most; each takes its share. SIGTERM ends a worker cleanly: what it
    has begun is committed first. With REKINDLE_METRICS_PORT=N, ingest serves its metrics on N, members on N + 1 and
    profiles on N + 2; N/ready answers for all three.
    """
    from streams import settings
    from streams.runtime.preflight import check_services
    from streams.runtime.supervise import die_with_parent, supervise

    configured = settings.load()
    if only is not None:
        from streams.collect_garbage import dont_collect_yet

        dont_collect_yet()
        from streams.runtime.run_stage import run_stage

        if parent is not None:
            die_with_parent(parent)
            if only == "profiles":
                os.nice(BEHIND_OTHERS)
        sys.exit(run_stage(configured, only, check=parent is None, beside=beside))  # the parent has just asked

    check_services(configured)
    commands: dict[str, list[str]] = {}
    environments = []
    for offset, stage in enumerate(STAGES):
        commands[stage] = [sys.executable, "-m", "streams", "worker", "--only", stage, "--parent", str(os.getpid())]
        port = configured.metrics_port + offset if configured.metrics_port else 0
        environments.append({**os.environ, settings.variable("metrics_port"): str(port)})
    if configured.metrics_port:  # else nobody knows where the others serve
        for offset in range(1, len(STAGES)):
            commands[STAGES[0]] += ["--beside", str(configured.metrics_port + offset)]
    sys.exit(supervise(commands, environments))
