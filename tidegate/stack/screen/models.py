"""A model that the line to paste may ask for, where the servers are somebody's own."""

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from runtime.settings import ServiceTypeSection
from tidegate.console import direct

_PATH = "/v1/images/generations"
_TIMEOUT_S = 2.0
_PLAIN = re.compile(r"[\w./:@-]{1,64}")
"""A longer or an odder name is not for pasting."""


def listed_model(url: str, key_file: Path, services: Mapping[str, ServiceTypeSection]) -> str:
    """Ask the gateway which models there are, and choose one that paints; empty: none is known."""
    try:
        key = key_file.read_text().strip()
        with direct.open_url(f"{url}/v1/models", _TIMEOUT_S, key) as answer:
            names = [str(model["id"]) for model in json.load(answer)["data"]]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return painting_model(names, services)


def painting_model(names: Iterable[str], services: Mapping[str, ServiceTypeSection]) -> str:
    """Choose the first that is not of a service type without pictures; empty when there is none."""
    others = [
        pattern
        for section in services.values()
        if not any(part in _PATH for part in section.paths)
        for pattern in section.models
    ]
    for name in names:
        if _PLAIN.fullmatch(name) and not any(fnmatchcase(name, pattern) for pattern in others):
            return name
    return ""
