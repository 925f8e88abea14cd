"""What an operator may turn of a server's health (`[balancer]`)."""

import msgspec


class HealthBounds(msgspec.Struct, frozen=True, kw_only=True):
    """When servers are put out, for how long, and how they come back."""

    probe_failures: int = 3
    consecutive_failures: int = 5
    """0: no failure of a call puts anybody out."""
    max_ejected: float = 0.5
    """The part of the servers that may be out for failures of which nothing was sent."""
    ejection_base_s: float = 30.0
    """Each ejection in a row lasts so much longer than the one before."""
    ejection_cap_s: float = 600.0
    slow_start_s: float = 30.0
    eject_slower: float = 0.0
    """Who is slower than so many times the fleet's median is put out; 0: nobody is."""

    @property
    def failures_max(self) -> int:
        """So many failures in a row put a server out; whoever comes back, one in any case."""
        return self.consecutive_failures or 1
