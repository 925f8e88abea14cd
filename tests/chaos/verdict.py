"""Evidence → findings; none is the only good verdict. Pure: each rule is a function."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.evidence import Evidence
from tests.chaos.failing import cost_words, costs
from tests.chaos.traffic import Called

_HANDED_IN_WITHIN_S = 15.0
"""A killed gateway takes along the usages of its last seconds: the length of an outage and some."""


@dataclass(frozen=True)
class Finding:
    """One promise that was not kept."""

    rule: str
    about: str


def judged(evidence: Evidence) -> list[Finding]:
    """Try every rule."""
    return [
        Finding(rule.__name__.replace("_", " "), about)
        for rule in RULES
        for about in rule(evidence)
    ]


def no_credential_is_over_its_limit(evidence: Evidence) -> Iterator[str]:
    for day, credentials in evidence.served.items():
        for credential, services in credentials.items():
            for service, units in services.items():
                limit = evidence.limits[service]
                if units > limit:
                    yield f"{credential} served {units} {service} of {limit} on {day}"


def every_lease_has_ended(evidence: Evidence) -> Iterator[str]:
    for lease_id, lease in evidence.log.leases.items():
        if not lease.end:
            yield f"{lease_id} of {lease.request_id}"


def every_success_is_settled(evidence: Evidence) -> Iterator[str]:
    """A gateway that was killed right after its answer leaves an expired lease: units stay used."""
    for call in evidence.calls:
        if not call.succeeded:
            continue
        ends = {lease.end for lease in evidence.log.by_request.get(call.request_id, [])}
        if "settled" in ends or ("expired" in ends and died_after(evidence, call)):
            continue
        yield f"call {call.number} at {call.gateway}, {call.request_id}: {sorted(ends)}"


def nothing_acknowledged_is_missing(evidence: Evidence) -> Iterator[str]:
    for sequence, digest in evidence.seen.items():
        if evidence.log.digests.get(sequence) != digest:
            yield f"envelope {sequence} was read, and is gone or another one"


def numbers_are_whole(evidence: Evidence) -> Iterator[str]:
    for subject, numbers in evidence.log.numbers.items():
        if numbers != list(range(1, len(numbers) + 1)):
            yield subject


def everything_served_was_granted(evidence: Evidence) -> Iterator[str]:
    for request_id in evidence.accepted:
        if request_id not in evidence.log.by_request:
            yield request_id


def nothing_was_served_twice(evidence: Evidence) -> Iterator[str]:
    for request_id, times in evidence.accepted.items():
        if times > 1:
            yield f"{request_id}: {times} times"


def every_unit_is_accounted_for(evidence: Evidence) -> Iterator[str]:
    """Settled ≤ served ≤ used: what nobody knows stays used, and nothing else."""
    settled: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for lease in evidence.log.leases.values():
        used[lease.service] += lease.used
        settled[lease.service] += lease.used if lease.end == "settled" else 0
    served = served_units(evidence)
    for service in used | served:
        if not settled[service] <= served[service] <= used[service]:
            yield (
                f"{service}: {settled[service]} settled, {served[service]} served,"
                f" {used[service]} used"
            )


def a_failing_server_keeps_the_bound(evidence: Evidence) -> Iterator[str]:
    for cost in costs(evidence.log, evidence.failed):
        if cost.after > cost.allowed:
            yield cost_words(cost)


def audit_is_clean(evidence: Evidence) -> Iterator[str]:
    if evidence.audit["exit"] or evidence.audit["violations"]:
        yield f"exit {evidence.audit['exit']}: {evidence.audit['violations'][:5]}"


def duckdb_equals_the_fold(evidence: Evidence) -> Iterator[str]:
    if evidence.audit["duckdb"] != "agrees":
        yield str(evidence.audit["duckdb"])


def everybody_is_ready_again(evidence: Evidence) -> Iterator[str]:
    if evidence.unready:
        yield evidence.unready


def errors_have_our_shape(evidence: Evidence) -> Iterator[str]:
    for call in evidence.calls:
        if call.code in {"misshapen", "internal_error"}:
            yield f"call {call.number}: status {call.status} {call.code}"


RULES: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    no_credential_is_over_its_limit,
    every_lease_has_ended,
    every_success_is_settled,
    nothing_acknowledged_is_missing,
    numbers_are_whole,
    everything_served_was_granted,
    nothing_was_served_twice,
    every_unit_is_accounted_for,
    a_failing_server_keeps_the_bound,
    audit_is_clean,
    duckdb_equals_the_fold,
    everybody_is_ready_again,
    errors_have_our_shape,
)


def died_after(evidence: Evidence, call: Called) -> bool:
    """Whether the gateway of a call was killed before it need have handed in the usage."""
    return any(
        gateway == call.gateway and call.started_s <= at_s <= call.ended_s + _HANDED_IN_WITHIN_S
        for gateway, at_s in evidence.killed_s
    )


def served_units(evidence: Evidence) -> Counter[str]:
    """Units by service type, as the servers counted them."""
    served: Counter[str] = Counter()
    for credentials in evidence.served.values():
        for services in credentials.values():
            served.update(services)
    return served
