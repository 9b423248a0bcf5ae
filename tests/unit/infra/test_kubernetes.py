"""The manifests hang together: known settings, one image, probes on the metrics port, no root."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.settings import Settings, load, variable

FOLDER = Path(__file__).parents[3] / "infra/k8s"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
MANIFESTS = [
    manifest for name in KUSTOMIZATION["resources"] for manifest in yaml.safe_load_all((FOLDER / name).read_text())
]
PODS = [
    (manifest["metadata"]["name"], manifest["spec"]["template"]["spec"])
    for manifest in MANIFESTS
    if "template" in manifest["spec"]
]


def settings() -> dict[str, str]:
    lines = (FOLDER / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_settings_are_known_and_valid() -> None:
    assert set(settings()) <= {variable(item.name) for item in fields(Settings)}
    assert load(settings()).topic_profile == "production"


def test_every_file_is_listed() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == {*KUSTOMIZATION["resources"], "kustomization.yaml"}


@pytest.mark.parametrize(("name", "pod"), PODS)
def test_pod_is_confined(name: str, pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["name"] == name
    assert container["image"] == KUSTOMIZATION["images"][0]["name"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"]
    assert {mount["name"] for mount in container["volumeMounts"]} >= {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(("name", "pod"), [(name, pod) for name, pod in PODS if name != "init"])
def test_process_is_probed_where_it_serves(name: str, pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    (port,) = container["ports"]
    assert str(port["containerPort"]) == settings()["REKINDLE_METRICS_PORT"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": port["name"]}
    assert container["livenessProbe"]["httpGet"] == {"path": "/health", "port": port["name"]}
    assert name.split("-") == container["args"]


def test_workers_do_not_outnumber_partitions() -> None:
    scaler = next(manifest for manifest in MANIFESTS if manifest["kind"] == "HorizontalPodAutoscaler")
    assert scaler["spec"]["maxReplicas"] <= load(settings()).partitions
