"""docker-compose.yml and the image, as far as they can be judged without a Docker daemon: pinned, healthy, not root."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.settings import Settings, load, variable

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PIPELINE = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = (ROOT / "infra/docker/Dockerfile").read_text()
KNOWN = {variable(item.name) for item in fields(Settings)}
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+(?:\.\d+)+[\w.-]*(?:@sha256:[0-9a-f]{64})?")


def test_services_are_those_of_the_pipeline() -> None:
    assert set(SERVICES) - set(PIPELINE) == {"kafka", "registry", "clickhouse", "prometheus", "grafana"}
    assert set(PIPELINE) == {"init", "worker", "sink", "segments-run", "sender-sms", "sender-email"}


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_pinned(name: str) -> None:
    assert PINNED.fullmatch(SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_runs_without_root(name: str) -> None:
    user = str(SERVICES[name]["user"]).split(":")[0]
    assert user.isdigit()
    assert int(user) > 0


@pytest.mark.parametrize("name", SERVICES)
def test_may_be_scaled_and_is_reached_from_this_machine_only(name: str) -> None:
    assert "container_name" not in SERVICES[name]
    ports = SERVICES[name].get("ports", [])
    assert not (name in PIPELINE and ports)
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(PIPELINE)))
def test_other_services_have_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@pytest.mark.parametrize("name", PIPELINE)
def test_settings_are_known_and_valid(name: str) -> None:
    environment = PIPELINE[name]["environment"]
    assert set(environment) <= KNOWN
    resolved = {key: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value)) for key, value in environment.items()}
    settings = load(resolved)
    assert settings.metrics_host == "0.0.0.0"
    assert f"EXPOSE {settings.metrics_port}\n" in DOCKERFILE
    assert settings.kafka_bootstrap_servers in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]


@pytest.mark.parametrize("name", PIPELINE)
def test_the_master_key_of_the_shell_reaches_every_process(name: str) -> None:
    """Whoever exports it, as docs/erasure.md says, must not go unsealed."""
    assert PIPELINE[name]["environment"]["REKINDLE_MASTER_KEY"] == "${REKINDLE_MASTER_KEY:-}"
    assert load({"REKINDLE_MASTER_KEY": ""}).master_key is None


def test_dependencies_exist_and_are_waited_for_with_a_condition_they_can_meet() -> None:
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            ends = condition["condition"] == "service_completed_successfully"
            assert ends == (name == "init")
            assert ends or "healthcheck" in SERVICES[name]


def test_mounted_files_exist_and_named_volumes_are_declared() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source, separator, target = volume.partition(":")
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
                assert target.endswith(":ro")
            elif separator:
                assert source in COMPOSE["volumes"]
        for file in service.get("env_file", []):
            assert (ROOT / file).is_file()


def test_kafka_and_registry_are_of_the_same_version_as_without_docker() -> None:
    artifacts = (ROOT / "infra/local/artifacts.txt").read_text()
    kafka, registry = (SERVICES[name]["image"].split(":")[1] for name in ("kafka", "registry"))
    assert f"org.apache.kafka:kafka_2.13:{kafka} " in artifacts
    assert re.search(rf"^io\.apicurio:apicurio-registry-app:{re.escape(registry)}[: ]", artifacts, re.MULTILINE)


def test_image_is_built_in_stages_from_one_pinned_base_and_runs_as_nobody_special() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) > 1
    assert len(set(bases)) == 1
    assert all(PINNED.fullmatch(base) for base in bases)
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == [PIPELINE["worker"]["user"]]
    assert "HEALTHCHECK" in DOCKERFILE
    assert set(re.findall(r"REKINDLE_\w+", DOCKERFILE)) <= KNOWN
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.+)", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]
    ]
    assert all((ROOT / name).exists() for name in copied)
    shipped = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name.split("/")[0] for name in copied} == shipped


def test_image_has_the_locked_versions() -> None:
    def pins(path: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+==[^ \\]+)", (ROOT / path).read_text(), re.MULTILINE))

    image = pins("infra/docker/requirements.lock")
    assert image
    assert image - pins("requirements.lock") == set()
