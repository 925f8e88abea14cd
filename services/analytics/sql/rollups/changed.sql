-- changed: by how much a batch changes the sums over leases, per quota day, session and type.
-- A rollup is the sum over lease rows, so it changes by the rows a batch adds (sign 1) less those
-- it takes away (sign -1): a lease that moved from open to ended, or was corrected, is in both.
-- blamed: leases that ended by the session's own fault; answered: those whose use was recorded;
-- requests: those that were the first of a call; unserved: those given back for an error of
-- ours; calls, calls_gone, calls_failed: as in the view lease_facts. A session was last used when
-- it was leased for what was sent, or may have been.
create or replace temp table changed as
select quota_day::date as quota_day, session_id, service_type,
    sum(sign) as granted,
    sum(sign * (outcome = 'settled')::int) as settled,
    sum(sign * (outcome = 'released')::int) as released,
    sum(sign * (outcome = 'unknown')::int) as unknown,
    sum(sign * (outcome = 'cancelled')::int) as cancelled,
    sum(sign * (outcome = 'expired')::int) as expired,
    sum(sign * (correction = 'reconciled')::int) as reconciled,
    sum(sign * (number = 1 and is_call(path))::int) as requests,
    sum(sign * (outcome = 'cancelled' and error_code <> '')::int) as unserved,
    sum(sign * (status > 0 or outcome = 'expired' or gone)::int) as calls,
    sum(sign * (status = 0 and gone)::int) as calls_gone,
    sum(sign * (status >= 400 or cut or outcome = 'expired')::int) as calls_failed,
    sum(sign * (units_settled + units_unknown + units_expired > 0)::int) as charged,
    sum(sign * units_reserved * (outcome = 'open')::int) as units_reserved,
    sum(sign * units_settled) as units_settled,
    sum(sign * units_unknown) as units_unknown,
    sum(sign * units_expired) as units_expired,
    sum(sign * units_over) as units_over,
    sum(sign * (verdict in ('rate_limited', 'login_expired', 'risk_control'))::int) as blamed,
    sum(sign * (verdict <> '')::int) as answered,
    sum(sign * total_ms) as answered_ms,
    min(granted_at) as first_at,
    max(coalesce(corrected_at, ended_at, granted_at)) as last_at,
    max(granted_at) filter (outcome not in ('open', 'cancelled')
        and not (outcome = 'released' and verdict in ('unreachable', 'client_gone')))
        as last_used_at,
    arg_max(server_id, ended_sequence) filter (server_id <> '') as last_server_id,
    max(ended_sequence) as last_ended
from (select *, verdict = 'client_gone' or reason = 'client_gone' as gone from (
    (select *, 1 as sign from batch_leases)
    union all by name
    (select *, 1 as sign from batch_open_leases)
    union all by name
    (select *, -1 as sign from ledger.open_leases where lease_id in (from gone_open_leases))
    union all by name
    (select *, -1 as sign from ledger.leases where lease_id in (from gone_leases))
))
group by all
