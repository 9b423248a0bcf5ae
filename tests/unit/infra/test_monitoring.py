"""Alerts and dashboards ask for what exists: expressions parse, metrics are declared, alerts are explained."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from streams import metrics
from streams.cli.worker import STAGES

ROOT = Path(__file__).parents[3]
DASHBOARDS = sorted((ROOT / "infra/grafana/dashboards").glob("*.json"))
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "infra/prometheus/rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
OPERATIONS = (ROOT / "docs/operations.md").read_text()


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return found


def expressions() -> Iterator[str]:
    """Every PromQL expression, Grafana's variables replaced by values."""
    yield from (rule["expr"] for rule in RULES)
    for path in DASHBOARDS:
        for panel in panels(path):
            for target in panel["targets"]:
                if "expr" in target:
                    yield target["expr"].replace("$__rate_interval", "1m")


def served_names() -> set[str]:
    """The names under which the declared metrics are scraped."""
    names = set()
    for value in vars(metrics).values():
        if isinstance(value, MetricWrapperBase):
            metric = next(iter(value.collect()))
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(metric.type, [""])
            names |= {metric.name + suffix for suffix in suffixes}
    return names


@pytest.mark.parametrize("expression", list(expressions()))
def test_expression_parses_and_asks_for_declared_metrics(expression: str) -> None:
    promql_parser.parse(expression)
    asked = set(re.findall(r"\brekindle_\w+", expression))
    assert asked or re.search(r"\bup\b", expression)
    assert asked - served_names() == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_leads_to_its_paragraph(rule: dict[str, Any]) -> None:
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert file == "docs/operations.md"
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in OPERATIONS.splitlines()
                if line.startswith("#")}  # fmt: skip
    assert anchor in headings


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboard_uses_the_provisioned_sources_and_overlaps_nowhere(path: Path) -> None:
    sources = yaml.safe_load((ROOT / "infra/grafana/provisioning/datasources/rekindle.yml").read_text())["datasources"]
    known = {(source["type"], source["uid"]) for source in sources}
    taken: set[tuple[int, int]] = set()
    for panel in panels(path):
        assert (panel["datasource"]["type"], panel["datasource"]["uid"]) in known
        assert panel["title"]
        assert panel["description"].endswith(".")
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_prometheus_asks_every_process_of_the_compose_file() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    processes = {name for name, service in compose.items() if "build" in service and name != "init"}
    jobs = yaml.safe_load((ROOT / "infra/prometheus/prometheus.yml").read_text())["scrape_configs"]
    first, *more = next(job for job in jobs if job["job_name"] == "rekindle")["dns_sd_configs"]
    assert set(first["names"]) == processes
    port = int(compose["worker"]["environment"]["REKINDLE_METRICS_PORT"])
    assert first["port"] == port
    assert [(each["names"], each["port"] - port) for each in more] == [
        (["worker"], number) for number in range(1, len(STAGES))
    ]


def test_nobody_asks_clickhouse_through_grafana_without_a_password() -> None:
    """Whoever may look at a dashboard may send any SQL by its data source, whose user may do everything."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert not {name for name in compose["grafana"]["environment"] if name.startswith("GF_AUTH_ANONYMOUS")}
