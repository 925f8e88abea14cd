-- listed_calls: clients' calls as lists have them: by the lease or refusal that was the end of one, by
-- the lease that is open, or as one that waits. `outcome` is the lease's, `refused` or `waiting`; `code`
-- is what its client was told, empty for none; `count` is above 1 where one row stands for equal
-- calls. A count of calls that have no row of their own (equal refusals, what a gateway refused itself)
-- has no request_id: nobody said when each of them asked.
select request_id, client_request_id, number, asked_at, key_id, service_type, model, path,
    outcome, error_code as code, status, error_message as message, server_id, session_id,
    ended_at, lease_ms as waited_ms, total_ms, attempts, units_reserved as units,
    status >= 400 or cut or outcome = 'expired' as failed, 1 as "count"
from ledger.leases
where status > 0 or outcome = 'expired' or verdict = 'client_gone' or reason = 'client_gone'
union all by name
select request_id, client_request_id, number, asked_at, key_id, service_type, model, path,
    outcome, '' as code, 0 as status, '' as message, server_id, session_id, null as ended_at,
    date_diff('microsecond', asked_at, granted_at) / 1000 as waited_ms, null as total_ms, attempts,
    units_reserved as units, false as failed, 1 as "count"
from ledger.open_leases
union all by name
select if(asked_at is null, '', request_id) as request_id, client_request_id, number,
    coalesce(asked_at, since, ts) as asked_at, key_id, service_type, model, path,
    'refused' as outcome, reason as code, refusal_status(reason) as status, '' as message,
    '' as server_id, '' as session_id, ts as ended_at,
    date_diff('microsecond', asked_at, ts) / 1000 as waited_ms, null as total_ms, 0 as attempts,
    units, true as failed, "count"
from ledger.refusals where "count" > 0
union all by name
select request_id, client_request_id, number, asked_at, key_id, service_type, model, path,
    'waiting' as outcome, '' as code, 0 as status, '' as message, '' as server_id,
    '' as session_id, null as ended_at, null as waited_ms, null as total_ms, 0 as attempts, units,
    false as failed, 1 as "count"
from ledger.requests
union all by name
select '' as request_id, '' as client_request_id, 1 as number, since as asked_at, key_id,
    service_type, '' as model, '' as path, 'refused' as outcome, code, status, '' as message,
    '' as server_id, '' as session_id, until as ended_at, null as waited_ms, null as total_ms,
    0 as attempts, 0 as units, true as failed, "count"
from ledger.calls_refused where "count" > 0
