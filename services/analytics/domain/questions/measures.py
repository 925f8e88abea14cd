"""The words of statistics: what can be measured, of which rows, and by what.

Each measure is of one sort of rows (`lease_facts`, `attempt_facts`, `refusal_facts`, `call_facts`:
the views in `sql/views`), and every sort has every dimension, so that measures of several stand
side by side.
"""

import msgspec


class Measure(msgspec.Struct, frozen=True):
    """A figure: the view whose rows it sums up, how, and what it says."""

    facts: str
    expression: str
    meaning: str
    counted: bool = True
    """Whether there being no rows means 0; else it means that nothing is known."""


def _count_measure(facts: str, condition: str, meaning: str) -> Measure:
    return Measure(facts, f"count(*) filter ({condition})", meaning)


def _sum_measure(facts: str, column: str, meaning: str) -> Measure:
    # A sum of integers is a HUGEINT; `whole` makes the BIGINT of it that every reader takes.
    return Measure(facts, f"whole(sum({column}))", meaning)


def _time_measures(facts: str, name: str, column: str, where: str, what: str) -> dict[str, Measure]:
    """Mean, three quantiles and the greatest of a time."""
    hows = {
        "avg": (f"avg({column})", "mean"),
        "p50": (f"quantile_cont({column}, 0.5)", "median"),
        "p95": (f"quantile_cont({column}, 0.95)", "95th percentile"),
        "p99": (f"quantile_cont({column}, 0.99)", "99th percentile"),
        "max": (f"max({column})", "greatest"),
    }
    return {
        f"{name}_{how}_ms": Measure(
            facts, f"{expression} filter ({where})", f"{which} of {what}", counted=False
        )
        for how, (expression, which) in hows.items()
    }


LEASES, ATTEMPTS, REFUSALS = "lease_facts", "attempt_facts", "refusal_facts"
CALLS = "call_facts"
# Two names of one figure: a name that was given out stays.
_LEASE_FAILURES = Measure(
    LEASES,
    "count(*) filter (failed) / nullif(count(*) filter (ended), 0)",
    "share of `failures` among leases that ended, cancelled ones apart: what servers and pool did",
    counted=False,
)

MEASURES: dict[str, Measure] = {
    "requests": Measure(
        LEASES,
        "count(*) filter (number = 1)",
        "clients' calls that got a lease, each once, at its first: rows add up to the whole",
    ),
    "refused": Measure(
        REFUSALS,
        'whole(sum("count"))',
        "leases that the pool refused, each once however often asked",
    ),
    "calls": Measure(
        CALLS,
        "whole(sum(calls))",
        "clients' calls that came to an end, each once, at its end: by a lease, a refusal, or the"
        " gateway's own (rate, malformed); not of unknown keys",
    ),
    "calls_failed": Measure(
        CALLS,
        "whole(sum(failed))",
        "calls that a client was answered an error (400 and above), a broken answer, or not at all",
    ),
    "calls_gone": Measure(
        CALLS, "whole(sum(gone))", "calls with a lease whose client left before an answer"
    ),
    "call_failure_rate": Measure(
        CALLS,
        "sum(failed) / nullif(sum(calls - gone), 0)",
        "share of `calls_failed` among `calls`, those gone apart: what clients saw",
        counted=False,
    ),
    "leases": Measure(LEASES, "count(*)", "leases granted"),
    "settled": _count_measure(LEASES, "outcome = 'settled'", "leases that did their work"),
    "released": _count_measure(
        LEASES, "outcome = 'released'", "leases provably not accepted upstream"
    ),
    "unknown": _count_measure(LEASES, "outcome = 'unknown'", "leases that may have been accepted"),
    "expired": _count_measure(LEASES, "outcome = 'expired'", "leases of which no word came"),
    "cancelled": _count_measure(LEASES, "outcome = 'cancelled'", "leases never sent"),
    "open": _count_measure(LEASES, "outcome = 'open'", "leases that have no end yet"),
    "unserved": _count_measure(
        LEASES,
        "unserved",
        "cancelled leases of which the client was answered an error of ours, such as `no_backend`",
    ),
    "failures": _count_measure(
        LEASES, "failed", "leases that ended released, unknown or expired, and the unserved ones"
    ),
    "failure_rate": _LEASE_FAILURES,
    "lease_failure_rate": _LEASE_FAILURES,
    "units_used": _sum_measure(LEASES, "units_used", "units that count against the quota"),
    "units_settled": _sum_measure(LEASES, "units_settled", "units of work done"),
    "units_unknown": _sum_measure(LEASES, "units_unknown", "units that may have been used"),
    "units_expired": _sum_measure(LEASES, "units_expired", "units of which no word came"),
    "units_over": _sum_measure(LEASES, "units_over", "units a server did beyond the lease"),
    "units_reserved": Measure(
        LEASES,
        "whole(coalesce(sum(units_reserved) filter (outcome = 'open'), 0))",
        "units that open leases hold",
    ),
    "active_sessions": Measure(
        LEASES, "count(distinct session) filter (units_used > 0)", "sessions that used a unit"
    ),
    "bytes_in": _sum_measure(LEASES, "bytes_in", "bytes taken from clients"),
    "bytes_out": _sum_measure(LEASES, "bytes_out", "bytes given to clients"),
    **_time_measures(LEASES, "latency", "total_ms", "answered", "what a lease's call took"),
    **_time_measures(
        LEASES,
        "first_byte",
        "first_byte_ms",
        "answered and first_byte_ms > 0",
        "the wait for the server's first byte",
    ),
    **_time_measures(LEASES, "lease", "lease_ms", "answered", "the wait for the lease"),
    "attempts": Measure(ATTEMPTS, "count(*)", "tries at servers"),
    "attempts_sent": _count_measure(ATTEMPTS, "sent", "tries of which a byte may have left"),
    "attempts_succeeded": _count_measure(ATTEMPTS, "verdict = 'success'", "tries that succeeded"),
    "attempts_failed": _count_measure(
        ATTEMPTS,
        "verdict in ('unreachable', 'outcome_unknown')",
        "tries that the server is blamed for",
    ),
    **_time_measures(ATTEMPTS, "attempt", "total_ms", "sent", "a try at a server, of those sent"),
}
"""Every measure by its name, which is its column's: names stay."""

DIMENSIONS: dict[str, str] = {
    "day": "quota day; of refusals the day in the pool's quota time zone",
    "hour": "hour (UTC) in which the lease was granted, or the call refused",
    "service": "service type",
    "model": "model, as the client named it",
    "session": "session; none for refusals",
    "server": "server: a lease's last, an attempt's own; none for refusals",
    "region": "the server's region",
    "key": "client key, by id",
    "status": "HTTP status: of leases the client's, of attempts the server's; 0 when there is none",
    "outcome": "the lease's: settled, released, unknown, expired, cancelled, open; or refused",
    "verdict": "what the last attempt, or the attempt itself, showed",
    "error": "error code that the client was given, or the reason of the refusal",
    "strategy": "strategy that chose the server",
    "attempt": "number of the attempt; of leases their last one's, 0 when there was none",
}
"""Every dimension by its name, which is its column's in all three views."""
