"""What an operator may turn, ask or meet is documented, and the pages are those of the code."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from contracts.base import PRODUCT_VERSION
from contracts.events import event_tags
from contracts.subjects import TABLE
from runtime.environment import VARIABLES
from runtime.process.findings import CURES
from runtime.settings import settings_of, variable_of, with_default_services
from services.analytics.metrics import Metrics as AnalyticsMetrics
from services.balancer.domain import Balancer
from services.balancer.metrics import Metrics as BalancerMetrics
from services.balancer.strategies import STRATEGIES
from services.gateway.domain.errors import KINDS
from services.gateway.metrics import Metrics as GatewayMetrics
from services.pool.metrics import Metrics as PoolMetrics
from tests import ROOT
from tests.house.code import FLOORS
from tidegate.configuration import Configuration
from tidegate.main import VERBS, verb_application
from tidegate.reference.pages import all_pages

REFERENCE = ROOT / "docs" / "reference"
REGISTRIES = {
    "gateway": GatewayMetrics().registry,
    "pool": PoolMetrics().registry,
    "balancer": BalancerMetrics(Balancer()).registry,
    "analytics": AnalyticsMetrics().registry,
}
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def reference_page(name: str) -> str:
    return (REFERENCE / name).read_text()


def commands_below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield name, command
    for part, below in (inner or {}).items():
        yield from commands_below(f"{name} {part}", below)


def command_line() -> dict[str, Any]:
    found = {}
    for verb in VERBS:
        group: Any = typer.main.get_command(verb_application(verb))
        found.update(commands_below(verb, group.commands[verb]))
    return found


def test_pages_are_those_of_the_code() -> None:
    kept = {path.name: path.read_text() for path in REFERENCE.glob("*.md")}

    assert kept == all_pages(), "python -m tidegate.reference writes them anew"


@pytest.mark.parametrize(
    "path",
    [path for path, _ in settings_of(Configuration, with_default_services({}))],
    ids=".".join,
)
def test_setting_is_documented_with_its_variable(path: tuple[str, ...]) -> None:
    variable = variable_of(path)
    if path[0] == "services":
        variable = variable.replace(path[1].upper(), "<NAME>")

    assert f"`{path[-1]}`" in reference_page("settings.md")
    assert f"`{variable}`" in reference_page("settings.md")


@pytest.mark.parametrize(
    "endpoint", ["/api/keys", "/api/sessions/{session_id}", "/health", "/v1/models", "/api/sql"]
)
def test_endpoint_is_documented(endpoint: str) -> None:
    assert f"`{endpoint}`" in reference_page("endpoints.md")


@pytest.mark.parametrize("variable", VARIABLES)
def test_variable_is_documented(variable: str) -> None:
    assert f"`{variable}`" in reference_page("environment.md")


@pytest.mark.parametrize("tag", event_tags())
def test_event_is_documented(tag: str) -> None:
    assert f"## `{tag}`" in reference_page("events.md")


@pytest.mark.parametrize("pattern", [row.pattern for row in TABLE])
def test_subject_is_documented(pattern: str) -> None:
    assert f"`{pattern}`" in reference_page("subjects.md")


@pytest.mark.parametrize("name", command_line())
def test_command_is_documented_with_an_example(name: str) -> None:
    section = (
        reference_page("commands.md").partition(f"## `tidegate {name}`\n")[2].partition("\n## ")[0]
    )

    assert "```sh\n" in section
    assert f"tidegate {name}" in section


@pytest.mark.parametrize("name", command_line())
def test_command_prints_data_as_json_too_or_prints_none(name: str) -> None:
    silent = {
        "completion",
        "up",
        "migrate",
        "gateway",
        "pool",
        "balancer",
        "analytics",
        "demo server",
    }
    options = {option for one in command_line()[name].params for option in one.opts}

    assert ("--json" in options) != (name in silent)


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategy_is_documented_with_its_source_and_its_scores(name: str) -> None:
    section = reference_page("strategies.md").partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]

    assert "\nSource: " in section
    assert "\nScore: " in section


@pytest.mark.parametrize("code", KINDS)
def test_error_is_documented(code: str) -> None:
    assert f"`{code}`" in reference_page("errors.md")


@pytest.mark.parametrize("service", REGISTRIES)
def test_metrics_are_documented(service: str) -> None:
    names = {metric.name for metric in REGISTRIES[service].collect()}

    assert names
    assert [name for name in sorted(names) if f"`{name}`" not in reference_page("metrics.md")] == []


def test_links_between_pages_lead_somewhere() -> None:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{path.relative_to(ROOT)}: {link}"
        for path in found
        for link in LINK.findall(path.read_text())
        if not (path.parent / link).exists()
    ]

    assert broken == []


# ------------------------------------------------------------------------------ runbook

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
UNWRAPPED = " ".join(re.sub(r"```.*?```", "", RUNBOOK, flags=re.DOTALL).split())
SOURCES = "".join(path.read_text() for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


@pytest.mark.parametrize("code", KINDS)
def test_error_is_in_the_runbook(code: str) -> None:
    assert f"`{code}`" in RUNBOOK


@pytest.mark.parametrize("code", CURES)
def test_finding_of_the_doctor_is_in_the_runbook(code: str) -> None:
    assert f"`{code}`" in RUNBOOK


def test_commands_of_the_runbook_exist() -> None:
    known = {f"tidegate {name}" for name in command_line()}
    told = set(re.findall(r"tidegate [a-z]+(?: (?:[a-z]+))?", RUNBOOK))

    assert told
    assert (
        sorted(one for one in told if one not in known and " ".join(one.split()[:2]) not in known)
        == []
    )


def test_metrics_of_the_runbook_exist() -> None:
    known = {metric.name for registry in REGISTRIES.values() for metric in registry.collect()}

    assert set(re.findall(r"`(tidegate_\w+)`", RUNBOOK)) - known == set()


def test_what_the_runbook_quotes_is_said_by_the_code() -> None:
    """Log lines, reasons of /readyz and tags of events, each up to what varies."""
    code = re.sub(r'"\s+f?"', "", SOURCES)
    lines = re.findall(r"log lines? `(\w+)`", UNWRAPPED)
    reasons = [one for one in UNWRAPPED.split("`")[1::2] if " " in one]
    reasons = [one.partition("…")[0] or one.rpartition("… ")[2] for one in reasons]
    said = [one for one in reasons if not one.startswith(("tidegate ", "nats ", "discard", "http"))]

    assert len(lines) > 5
    assert len(said) > 15
    assert [one for one in lines if f'"{one}"' not in code] == []
    said = [re.sub(r"the (pool|balancer) has", "the {service} has", one) for one in said]
    assert [one for one in said if one.strip().split(" N,")[0] not in code] == []


def test_links_within_the_runbook_lead_to_a_heading() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.removeprefix("## ").lower()).replace(" ", "-")
        for line in RUNBOOK.splitlines()
        if line.startswith("## ")
    }

    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) - headings == set()


# ------------------------------------------------------------------------------- version


def test_version_is_one_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = re.findall(
        r"^## (\d+\.\d+\.\d+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )

    assert released[0] == project == PRODUCT_VERSION
    assert released[-1] == "0.1.0"


# ------------------------------------------------------------------------------ commands

SHELL = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
WORDS_BEFORE = re.compile(r"^(sudo -u \w+ |docker compose run --rm (-T )?)+")
PROGRAM = re.compile(r"(\S*/)?tidegate")
GENERATED = "commands.md"


def typed_commands() -> Iterator[tuple[str, list[str]]]:
    """Every line of every page that calls `tidegate`, and its words behind that."""
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for block in SHELL.findall(path.read_text()):
            lines = block.replace("\\\n", " ").splitlines()
            for line in lines:
                for part in re.split(r" && | \| |; ", line):
                    words = words_of(part)
                    if words and PROGRAM.fullmatch(words[0]):
                        yield str(path.relative_to(ROOT)), words[1:]


def words_of(part: str) -> list[str]:
    """Split a command as a shell does; `cli` and `keeper` of Compose are `tidegate`."""
    text = WORDS_BEFORE.sub("", re.sub(r"\$\([^)]*\)", "X", part.strip()))
    text = re.sub(r"^(cli|keeper) ", "tidegate ", text)
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return []
    cut = next((at for at, word in enumerate(words) if word in {">", ">>", "<", "&", "2>"}), None)
    return words[:cut]


TYPED = sorted({(page, " ".join(map(shlex.quote, words))) for page, words in typed_commands()})


IN_CONTAINERS = re.compile(r"docker compose run --rm (?:-T )?(cli|keeper) (\w+)")
OF_THE_KEEPER = {"backup", "restore", "secrets"}


def test_verbs_of_pages_run_in_the_container_that_may_do_them() -> None:
    runs = [
        (str(path.relative_to(ROOT)), service, verb)
        for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for service, verb in IN_CONTAINERS.findall(path.read_text())
    ]

    assert len(runs) > 8
    assert [one for one in runs if (one[1] == "keeper") != (one[2] in OF_THE_KEEPER)] == []


def test_pages_call_the_program() -> None:
    assert len(TYPED) > 60


@pytest.mark.parametrize(("page", "line"), TYPED)
def test_line_of_a_page_is_one_that_the_command_line_takes(page: str, line: str) -> None:
    """Parsed, not run: verb, arguments and options exist and have the values that they may."""
    words = shlex.split(line)
    verb = next((word for word in words if not word.startswith("-")), "")
    whole: Any = typer.main.get_command(verb_application(verb))
    command, rest = whole, words
    context = whole.make_context("tidegate", [verb], resilient_parsing=True)
    while rest and hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        if not hasattr(command, "commands"):
            command.make_context(name, list(rest), parent=context)
