-- lease_facts: one row per lease of a call by the dimensions of statistics; server, region, strategy and
-- attempt are those of its last attempt, `status` is what the client was given.
-- failed: ended released, unknown, expired, or unserved (never sent, for an error of ours such as
-- no_backend). call: it was the end of its client's call; gone: that client had left;
-- call_failed: that client was answered an error, a broken answer, or nothing at all.
select quota_day as day,
    date_trunc('hour', granted_at) as hour,
    service_type as service,
    model,
    session_id as session,
    server_id as server,
    region,
    key_id as key,
    status,
    outcome,
    verdict,
    error_code as error,
    strategy,
    attempts as attempt,
    request_id,
    error_message,
    ended_at,
    number,
    units_used,
    units_settled,
    units_unknown,
    units_expired,
    units_over,
    units_reserved,
    verdict <> '' as answered,
    outcome = 'cancelled' and error_code <> '' as unserved,
    unserved or outcome in ('released', 'unknown', 'expired') as failed,
    unserved or outcome not in ('open', 'cancelled') as ended,
    status = 0 and (verdict = 'client_gone' or reason = 'client_gone') as gone,
    gone or status > 0 or outcome = 'expired' as call,
    status >= 400 or cut or outcome = 'expired' as call_failed,
    lease_ms,
    first_byte_ms,
    total_ms,
    bytes_in,
    bytes_out
from leases
where is_call(path)
