"""Which processes are measured for coverage: those whose code nothing else runs."""

from collections.abc import Mapping


def unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """Have a process run at its own speed: what it does is measured elsewhere, or not at all."""
    return {name: value for name, value in environment.items() if "COVERAGE" not in name}
