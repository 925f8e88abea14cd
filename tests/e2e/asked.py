"""What a test asks of a running stack, however it runs: as processes, or as containers."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import httpx


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
    def audit(self) -> dict[str, Any]:
        """Audit the log; the report, with the verb's exit code as `exit`."""

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

    def demo_ledger(self, *names: str) -> dict[str, dict[str, dict[str, int]]]:
        """Merge the ledgers of demo servers: day → credential → service → units."""
        merged: dict[str, dict[str, dict[str, int]]] = {}
        for name in names:
            found = httpx.get(f"{self.demo_url(name)}/demo/ledger", timeout=10).json()
            for day, credentials in found["days"].items():
                for credential, services in credentials.items():
                    for service, units in services.items():
                        into = merged.setdefault(day, {}).setdefault(credential, {})
                        into[service] = into.get(service, 0) + units
        return merged

    def served(self, *names: str, service: str = "image") -> int:
        """Units of a service that demo servers counted."""
        return sum(
            units.get(service, 0)
            for credentials in self.demo_ledger(*names).values()
            for units in credentials.values()
        )

    def faults(self, name: str, **fault: Any) -> None:
        """Set a demo server's one fault; without any, end them all."""
        url = f"{self.demo_url(name)}/demo/faults"
        found = httpx.post(url, json=[fault] if fault else [], timeout=10)
        assert found.status_code == 200, found.text

    def pool_status(self) -> Any:
        """The sessions, as the operator sees them."""
        return self.api("/api/sessions")

    def open_leases(self) -> int:
        """Leases that have no end yet."""
        return len(self.api("/api/leases?state=open")["data"])

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
