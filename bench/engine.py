"""What the engine alone does: events a second on one core, over the demo's events, its states in memory.

`demo`: the campaigns that ship; `library`: those of the library, live; `unheard`: events that no campaign listens to;
each by the compiled engine, if it is compiled, and in plain Python, by turns in one run, since what else the machine
does comes and goes. `campaigns_1000_to_20`: time per event with a thousand campaigns loaded against twenty, the same
ones matching. `state_bytes`: a member's record after a year of the demo. `python -m bench.engine` prints JSON;
`--profile` shows where the time goes, with the programme named (of plain Python with REKINDLE_COMPILED=0).
"""

import cProfile
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from streams.compiled import ENGINE, SETTING
from streams.demo.input import generate
from streams.engine import step
from streams.engine.events import Event
from streams.engine.state import MemberState, new
from streams.engine.state_bytes import encode
from streams.programme import Bundle, Programme, load, read_directory

ROOT = Path(__file__).parent.parent
MEMBERS = 300
ROUNDS = 3
TURNS = 2
MANY = 980
Figures = dict[str, dict[str, float]]


def measure() -> Figures:
    """The figures of both engines, the best of some turns each: what it costs, not what else the machine does."""
    figures: Figures = {}
    modes = {"compiled": "1", "plain": "0"} if ENGINE.is_compiled else {"plain": "0"}
    for _ in range(TURNS):
        for mode, asked in modes.items():
            command = [sys.executable, "-m", "bench.engine", "--once"]
            done = subprocess.run(
                command, env=os.environ | {SETTING: asked}, stdout=subprocess.PIPE, check=True, cwd=ROOT
            )
            for benchmark, found in json.loads(done.stdout).items():
                best = max if benchmark == "engine_events_per_s" else min
                kept = figures.setdefault(benchmark, {})
                for system, figure in found.items():
                    name = f"{system}_{mode}" if benchmark != "engine_state_bytes" else system
                    kept[name] = best(figure, kept.get(name, figure))
    return figures


def measure_once() -> Figures:
    """The figures of the engine that this process has loaded."""
    events = list(generate(MEMBERS))
    gc.collect()
    gc.freeze()  # a worker doesn't keep a year of events in memory
    few, many = crowd(20), crowd(20 + MANY)
    unheard = [event for event in events if event.type in {"product_viewed", "site_visited"}] * 5
    states: dict[str, MemberState] = {}
    run(library(), events, states)
    sizes = sorted(len(encode(state)) for state in states.values())
    return {
        "engine_events_per_s": {
            "demo": rate(load([read_directory(ROOT / "campaigns")]), events),
            "library": rate(library(), events),
            "unheard": rate(few, unheard),
        },
        "engine_campaigns_1000_to_20": {"ratio": round(rate(few, events) / rate(many, events), 3)},
        "engine_state_bytes": {"median": sizes[len(sizes) // 2], "largest": sizes[-1]},
    }


def library() -> Programme:
    """The library's campaigns, live."""
    bundle = read_directory(ROOT / "campaigns/library")
    return load([{name: text.replace("status: draft", "status: live") for name, text in bundle.items()}])


def crowd(count: int) -> Programme:
    """Twenty campaigns that match purchases, and others that wait for what never comes."""
    bundle: Bundle = {"templates/t.yaml": 'templates: [{id: t, text: "Hello"}]'}
    for number in range(count):
        event = "purchase_completed" if number < 20 else "purchase_returned"
        bundle[f"c{number}.yaml"] = (
            f"id: c{number}\ntrigger: {{event: {event}, where: {{total: {{ge: {number + 50}}}}}}}\n"
            "actions: [{wait: P3D}, {send: {channel: sms, template: t}}]\n"
        )
    return load([bundle])


def rate(programme: Programme, events: list[Event]) -> float:
    """Events a second."""
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        run(programme, events, {})
        best = min(best, time.process_time() - began)
    return round(len(events) / best)


def run(programme: Programme, events: Iterable[Event], states: dict[str, MemberState]) -> None:
    """Handle the events, each for its member."""
    handle = step.handle
    for event in events:
        state = states.get(event.key)
        if state is None:
            state = states[event.key] = new(event.key)
        handle(programme, state, event)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--profile"]:
        chosen = library() if sys.argv[2:] == ["library"] else load([read_directory(ROOT / "campaigns")])
        profiled = list(generate(MEMBERS))
        cProfile.run("run(chosen, profiled, {})", sort="tottime")
    else:
        print(json.dumps(measure_once() if sys.argv[1:] == ["--once"] else measure()))
