"""When leases end by themselves: heaps that are tidied as they are read.

An entry is true when its lease is open and its deadline is the entry's; anything else (ended,
renewed, taken back) is dropped on sight, and all of them at once when they are the majority.
"""

from datetime import datetime
from heapq import heapify, heappop, heappush

from contracts.base import LeaseId, ServiceType
from services.pool.domain.records import Lease

_SPARE = 1024


class Deadlines:
    """Deadlines of the open leases, per service type."""

    __slots__ = ("_heaps", "_opened", "_size")

    def __init__(self, opened: dict[LeaseId, Lease]) -> None:
        """Watch `opened`, which its owner keeps up to date."""
        self._opened = opened
        self._heaps: dict[ServiceType, list[tuple[datetime, LeaseId]]] = {}
        self._size = 0
        self._rebuild_heaps()

    def watch_lease(self, lease: Lease) -> None:
        """Note a lease's deadline: after its grant, its renewal, or a rollback."""
        heap = self._heaps.get(lease.service_type)
        if heap is None:
            heap = self._heaps[lease.service_type] = []
        heappush(heap, (lease.expires_at, lease.lease_id))
        self._size += 1
        if self._size > 2 * len(self._opened) + _SPARE:
            self._rebuild_heaps()

    def earliest_of(self, service_type: ServiceType) -> datetime | None:
        """Tell the first deadline of a type; None when no lease of it is open."""
        heap = self._heaps.get(service_type)
        while heap:
            due, lease_id = heap[0]
            lease = self._opened.get(lease_id)
            if lease is not None and lease.expires_at == due:
                return due
            heappop(heap)
            self._size -= 1
            assert self._size >= 0
        return None

    def first_deadline(self) -> datetime | None:
        """Tell the first deadline of all."""
        deadlines = [self.earliest_of(service_type) for service_type in self._heaps]
        return min((due for due in deadlines if due is not None), default=None)

    def overdue_lease(self, now: datetime) -> Lease | None:
        """Find an open lease whose deadline has come."""
        for service_type, heap in self._heaps.items():
            due = self.earliest_of(service_type)
            # The heap has just been tidied: its first entry is true.
            if due is not None and due <= now:
                return self._opened[heap[0][1]]
        return None

    def _rebuild_heaps(self) -> None:
        self._heaps = {}
        for lease in self._opened.values():
            entry = (lease.expires_at, lease.lease_id)
            self._heaps.setdefault(lease.service_type, []).append(entry)
        for heap in self._heaps.values():
            heapify(heap)
        self._size = len(self._opened)
