"""What a test asks of a running stack, however it runs: as processes, or as containers."""

import json
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import httpx

Days = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Quota day → credential → service type → units."""


class Asked(ABC):
    """A gateway with its two first keys, and demo servers that can be asked what they served."""

    @property
    @abstractmethod
    def client_key(self) -> str:
        """The first client key."""

    @property
    @abstractmethod
    def operator_key(self) -> str:
        """The first admin key."""

    @abstractmethod
    def url(self, gateway: str = "gateway") -> str:
        """A gateway's address."""

    @abstractmethod
    def demo_url(self, name: str) -> str:
        """A demo server's address."""

    @abstractmethod
    def tidegate(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a verb to its end, as the operator."""

    def audit(self) -> dict[str, Any]:
        """Audit the log; the report, with the verb's exit code as `exit`."""
        done = self.tidegate("audit", "--json")
        assert done.returncode in {0, 1}, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        report["exit"] = done.returncode
        return report

    def api(self, path: str, method: str = "GET", **more: Any) -> Any:
        """Ask an operator endpoint."""
        found = httpx.request(
            method,
            f"{self.url()}{path}",
            headers={"Authorization": f"Bearer {self.operator_key}"},
            timeout=20,
            **more,
        )
        assert found.status_code < 300, found.text
        return found.json()

    def image(self, gateway: str = "gateway", **body: Any) -> httpx.Response:
        """Ask for one image."""
        return httpx.post(
            f"{self.url(gateway)}/v1/images/generations",
            headers={"Authorization": f"Bearer {self.client_key}"},
            json={"model": "jimeng-4.0", "prompt": "a gate", **body},
            timeout=60,
        )

    def whole_ledger(self, name: str) -> dict[str, Any]:
        """What a demo server counted: units by `days`, and times by `requests`."""
        ledger: dict[str, Any] = httpx.get(f"{self.demo_url(name)}/demo/ledger", timeout=10).json()
        return ledger

    def demo_ledger(self, *names: str) -> dict[str, dict[str, dict[str, int]]]:
        """Add up the units that demo servers counted."""
        return ledgers_sum(*(self.whole_ledger(name)["days"] for name in names))

    def served(self, *names: str, service: str = "image") -> int:
        """Units of a service that demo servers counted."""
        return sum(
            units.get(service, 0)
            for credentials in self.demo_ledger(*names).values()
            for units in credentials.values()
        )

    def faults(self, name: str, **fault: Any) -> None:
        """Set a demo server's one fault; without any, end them all."""
        self.set_faults(name, [fault] if fault else [])

    def set_faults(self, name: str, faults: list[dict[str, Any]]) -> None:
        """Set a demo server's faults, in place of those it has."""
        answer = httpx.post(f"{self.demo_url(name)}/demo/faults", json=faults, timeout=10)
        assert answer.status_code == 200, answer.text

    def pool_status(self) -> Any:
        """The sessions, as the operator sees them."""
        return self.api("/api/sessions")

    def open_leases(self) -> int:
        """Leases that have no end yet."""
        return len(self.api("/api/leases?state=open")["data"])

    def wait_for_ends(self, seconds: float) -> None:
        """Wait until every lease has its end, whether or not the gateway answers meanwhile."""

        def open_leases() -> int | None:
            try:
                return self.open_leases()
            except (AssertionError, httpx.HTTPError):
                return None

        self.eventually(open_leases, 0, seconds)

    def eventually(self, what: Callable[[], Any], expected: Any, seconds: float = 20) -> None:
        """Wait until `what()` equals `expected`."""
        deadline = time.monotonic() + seconds
        while True:
            found = what()
            if found == expected:
                return
            if time.monotonic() > deadline:
                assert found == expected
            time.sleep(0.1)


def ledgers_sum(*ledgers: Days) -> dict[str, dict[str, dict[str, int]]]:
    """Add up what several servers counted."""
    total: dict[str, dict[str, dict[str, int]]] = {}
    for days in ledgers:
        for day, credentials in days.items():
            for credential, services in credentials.items():
                for service, units in services.items():
                    into = total.setdefault(day, {}).setdefault(credential, {})
                    into[service] = into.get(service, 0) + units
    return total
