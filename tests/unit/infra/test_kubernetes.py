"""The manifests hang together: known settings, one image, probes on the metrics port, no root."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.cli.worker import STAGES
from streams.serve_metrics import ANSWER_SECONDS_MAX
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
    assert pod["automountServiceAccountToken"] is False, "no process asks the cluster for anything"
    (container,) = pod["containers"]
    assert container["name"] == name
    assert container["image"] == KUSTOMIZATION["images"][0]["name"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"]
    assert {mount["name"] for mount in container["volumeMounts"]} >= {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(("name", "pod"), [(name, pod) for name, pod in PODS if name != "init"])
def test_process_is_probed_where_it_serves(name: str, pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    port = container["ports"][0]
    assert str(port["containerPort"]) == settings()["REKINDLE_METRICS_PORT"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": port["name"]}
    assert container["livenessProbe"]["httpGet"] == {"path": "/health", "port": port["name"]}
    assert name.split("-") == container["args"]


def test_a_worker_has_the_time_to_ask_its_other_stages_whether_they_are_ready() -> None:
    """A pod has one readiness probe per container: the first stage, which is asked, asks the others."""
    (container,) = dict(PODS)["worker"]["containers"]
    assert container["readinessProbe"]["timeoutSeconds"] > ANSWER_SECONDS_MAX * (len(STAGES) - 1)


def test_every_port_that_serves_metrics_is_scraped() -> None:
    """An annotation names one port at most, a worker has three: Prometheus takes the ports that the pods declare."""
    (job,) = yaml.safe_load((FOLDER.parent / "prometheus/kubernetes.yml").read_text())["scrape_configs"]
    assert job["job_name"] == "rekindle"
    assert job["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": [KUSTOMIZATION["namespace"]]}}]
    annotation, port_name, process = job["relabel_configs"]
    assert (annotation["action"], port_name["action"]) == ("keep", "keep")
    assert process["source_labels"] == ["__meta_kubernetes_pod_label_app"]
    assert process["target_label"] == "process"
    base = int(settings()["REKINDLE_METRICS_PORT"])
    for manifest in MANIFESTS:
        template = manifest["spec"].get("template")
        name = manifest["metadata"]["name"]
        if template is None or name == "init":
            continue
        assert template["metadata"]["annotations"] == {"prometheus.io/scrape": annotation["regex"]}
        assert template["metadata"]["labels"]["app"] == name
        (container,) = template["spec"]["containers"]
        served = range(base, base + (len(STAGES) if name == "worker" else 1))
        assert [port["containerPort"] for port in container["ports"]] == list(served)
        assert all(re.fullmatch(port_name["regex"], port["name"]) for port in container["ports"])
    (service,) = (each for each in MANIFESTS if each["kind"] == "Service" and each["metadata"]["name"] == "worker")
    assert [port["port"] for port in service["spec"]["ports"]] == list(range(base, base + len(STAGES)))


def test_a_count_that_is_scaled_is_stated_by_the_scaler_alone() -> None:
    """Else each `kubectl apply` takes the workers back to it, in the midst of a peak."""
    scaler = next(manifest for manifest in MANIFESTS if manifest["kind"] == "HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    (scaled,) = (
        each for each in MANIFESTS if (each["kind"], each["metadata"]["name"]) == (target["kind"], target["name"])
    )
    assert "replicas" not in scaled["spec"]
    assert scaler["spec"]["minReplicas"] > 1


def test_workers_do_not_outnumber_partitions() -> None:
    scaler = next(manifest for manifest in MANIFESTS if manifest["kind"] == "HorizontalPodAutoscaler")
    assert scaler["spec"]["maxReplicas"] <= load(settings()).partitions
