"""What the files of the containers promise, whether or not there is an engine to run them."""

import re
from typing import Any

import pytest
import yaml

from runtime.environment import VARIABLES
from runtime.settings import settings_of, variable_of, with_default_services
from tests import ROOT
from tidegate.configuration import Configuration
from tidegate.stack.home.owners import OWNERS

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "nats"}
SECRET = re.compile(r"((?<!_PER_)KEY|PASSWORD|SECRET|TOKEN)$")
SETTINGS = [variable_of(path) for path, _ in settings_of(Configuration, with_default_services({}))]


@pytest.mark.parametrize("variable", SETTINGS)
def test_a_setting_in_the_environment_reaches_every_service(variable: str) -> None:
    assert variable in COMPOSE["x-settings"], "name it in x-settings of docker-compose.yml"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_nothing_that_it_need_not(name: str) -> None:
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # Compose copies the keys into `secrets` before it starts.
    assert service["read_only"] is (name != "secrets")
    assert "privileged" not in service
    # The operator's files may be readable by the operator alone.
    assert service.get("cap_add", []) == ["DAC_READ_SEARCH"] * (name == "configuration")
    assert service.get("user", "tidegate") == {"configuration": "0:0", "nats": "10001:10001"}.get(
        name, "tidegate"
    )
    assert ("ports" in service) == (name == "gateway")
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_an_environment(name: str) -> None:
    variables = SERVICES[name].get("environment") or {}

    assert [variable for variable in variables if SECRET.search(variable)] == []
    assert {variable for variable in variables if variable not in SETTINGS} <= set(VARIABLES)


@pytest.mark.parametrize("name", ["pool", "balancer", "analytics", "gateway", "migrate", "cli"])
def test_a_service_sees_its_own_home_alone(name: str) -> None:
    owner = "operator" if name == "cli" else name
    mode = "" if name == "analytics" else ":ro"

    spool = ["spool:/var/spool/tidegate"] * (name == "gateway")
    assert SERVICES[name]["volumes"] == [f"{owner}:/var/lib/tidegate{mode}", *spool]


def test_the_keeper_reaches_the_home_where_analytics_looks_for_duckdb() -> None:
    homes = (ROOT / "docs" / "how-to" / "compose.md").read_text()

    assert "analytics:/homes/analytics" in SERVICES["keeper"]["volumes"]
    assert "keeper restore /backups/monday.tar --replace --homes /homes" in homes


def test_who_reads_the_operators_files_sees_no_secret() -> None:
    assert SERVICES["configuration"]["network_mode"] == "none"
    given, volume = SERVICES["configuration"]["volumes"]
    assert given["read_only"] is True
    assert volume == "configuration:/configuration"


def test_every_home_is_furnished() -> None:
    given = {str(volume) for volume in SERVICES["secrets"]["volumes"]}

    for owner in set(OWNERS) - {"archiver"}:  # nothing runs under that user yet
        assert f"{owner}:/homes/{owner}" in given
        assert owner in COMPOSE["volumes"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"cli", "keeper"}))
def test_a_service_is_watched_and_started_again_or_ends_by_itself(name: str) -> None:
    service = SERVICES[name]

    if name in {"configuration", "secrets", "migrate"}:
        assert service["restart"] == "no"
        assert "healthcheck" not in service
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]
        assert service["stop_grace_period"]


def test_an_image_of_ours_is_built_once() -> None:
    assert [name for name, service in OURS.items() if "build" in service] == ["configuration"]
    assert len({service["image"] for service in OURS.values()}) == 1
    assert {service["pull_policy"] for service in OURS.values()} == {"never"}


def test_the_log_has_no_way_out() -> None:
    assert COMPOSE["networks"]["log"] == {"internal": True}
    assert SERVICES["nats"]["networks"] == ["log"]
    assert SERVICES["server-1"]["networks"] == ["servers"]


def test_health_ports_answer_on_the_network_that_has_no_way_out() -> None:
    for name in ("pool", "balancer", "analytics", "gateway"):
        asked = SERVICES[name]["environment"]["TIDEGATE_HEALTH_NETWORK"]
        assert SERVICES[asked]["networks"] == ["log"]
        assert "log" in SERVICES[name]["networks"]


def test_a_cluster_is_known_to_everybody_who_talks_to_nats() -> None:
    overlay = yaml.safe_load((ROOT / "docker-compose.cluster.yml").read_text())["services"]
    alone, cluster = (
        {
            name
            for name, service in services.items()
            if "TIDEGATE_NATS_URL" in (service.get("environment") or {})
        }
        for services in (SERVICES, overlay)
    )

    assert cluster == alone | {"secrets"}  # which writes down who the members are


def test_the_image_names_no_registry_and_runs_as_nobody_in_particular() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert re.search(r"https?://|\.(org|com|io|dev)\b", dockerfile) is None
    assert "\nUSER tidegate\n" in dockerfile
    assert "--require-hashes" in dockerfile
    assert re.search(r"^(RUN --mount|COPY --link)", dockerfile, re.MULTILINE) is None


def test_the_build_sees_nothing_but_what_it_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules[0] == "*"
    assert all(rule.startswith("!") or rule == "**/__pycache__" for rule in rules[1:])


def test_the_example_of_variables_names_only_what_there_is() -> None:
    named = re.findall(r"^#?(TIDEGATE_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    read = re.findall(r"\$\{(TIDEGATE_\w+)", (ROOT / "docker-compose.yml").read_text())

    assert named
    assert set(named) <= {*VARIABLES, *SETTINGS, *read}
