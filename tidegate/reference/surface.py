"""The pages about what people and machines see of it: commands, errors, metrics."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from services.gateway.domain.errors import KINDS
from tidegate.main import VERBS, verb_application
from tidegate.reference.markdown import as_code, markdown_table

_SERVICES = Path(__file__).parents[2] / "services"
_METRICS = frozenset(
    {
        "Counter",
        "Gauge",
        "Histogram",
        "CounterMetricFamily",
        "GaugeMetricFamily",
        "_counter",
        "_gauge",
        "_histogram",
    }
)


def commands_page() -> str:
    """Every verb and subcommand with its options."""
    text = "# Commands\n\nExit codes: 0 fine, 1 it found something wrong, 2 wrong usage.\n"
    for verb in VERBS:
        group: Any = typer.main.get_command(verb_application(verb))
        for name, command in _leaf_commands(verb, group.commands[verb]):
            rows = [
                _option_row(parameter) for parameter in command.params if parameter.name != "help"
            ]
            text += f"\n## `tidegate {name}`\n\n{_help_text(command.help or '')}\n"
            text += "\n" + markdown_table(("option", "default", "meaning"), rows) if rows else ""
    return text


def errors_page() -> str:
    """Every error a client can get."""
    rows = [
        (
            as_code(kind.code),
            str(kind.status),
            as_code(kind.type),
            kind.situation,
            "" if kind.should_retry is None else as_code(str(kind.should_retry).lower()),
            "yes" if kind.retry_after_s is not None else "",
        )
        for kind in KINDS.values()
    ]
    columns = ("code", "status", "type", "situation", "x-should-retry", "Retry-After")
    return (
        "# Errors\n\n"
        'Always `{"error": {"message", "type", "param", "code"}}`.\n\n'
        f"{markdown_table(columns, rows)}"
    )


def metrics_page() -> str:
    """Every metric, by service."""
    text = "# Metrics\n\nEvery process answers `/metrics` on its health port.\n"
    for service in ("gateway", "pool", "balancer", "analytics"):
        rows = [(as_code(name), meaning) for name, meaning in sorted(metrics_of(service))]
        text += f"\n## {service}\n\n" + markdown_table(("metric", "meaning"), rows)
    return text


def metrics_of(service: str) -> Iterator[tuple[str, str]]:
    """Find the name and the meaning of every metric where its service makes it."""
    for path in sorted((_SERVICES / service).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or _called_name(node) not in _METRICS:
                continue
            texts = [text.value for text in node.args[:2] if isinstance(text, ast.Constant)]
            if len(texts) == 2:  # noqa: PLR2004 (name and meaning)
                name, meaning = (str(text) for text in texts)
                prefix = "" if name.startswith("tidegate_") else f"tidegate_{service}_"
                yield prefix + name, meaning


def _called_name(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _leaf_commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command below this one that does something."""
    inner = getattr(command, "commands", None)
    if not inner:
        yield name, command
        return
    for part, below in inner.items():
        yield from _leaf_commands(f"{name} {part}", below)


def _option_row(parameter: Any) -> tuple[str, str, str]:
    names = parameter.opts if parameter.param_type_name == "option" else [parameter.name.upper()]
    default = parameter.default
    shown = default if isinstance(default, (str, int, float)) and default not in {"", False} else ""
    return (
        ", ".join(as_code(name) for name in names),
        as_code(shown),
        getattr(parameter, "help", "") or "",
    )


def _help_text(text: str) -> str:
    """The help with its example set apart."""
    said, separator, example = " ".join(text.split()).partition("Example: ")
    return f"{said.strip()}\n\n```sh\n{example}\n```" if separator else said
