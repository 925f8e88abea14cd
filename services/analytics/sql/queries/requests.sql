-- requests: clients' calls, one row each, the latest first: by the lease or refusal that was its end,
-- by the lease that is open, or as one that waits. `outcome` is the lease's, `refused` or `waiting`;
-- `code` is what its client was told, empty for none. `latency_ms` runs from the first question for a
-- lease to the end. What is only counted (equal refusals, what a gateway refused itself) has no row.
-- $key, $service_type, $server, $session, $outcome, $code, $model (text = ): only of these; empty is any; the code `none` is none,
-- and `any` is a call that failed as its client saw it: an error, a broken answer, or nothing at all.
-- $since, $until (text = ): only those that asked from $since on, and before $until; moments in UTC.
-- $q (text = ): only those in whose ids, model, session or its label, key's name or message this stands.
-- $before_at, $before_id (text = ): only those behind this row: when it asked, and its request.
-- $limit (integer = 100): rows at most.
with calls as (
    select request_id, client_request_id, number, asked_at, key_id, service_type, model, path,
        outcome, error_code as code, status, error_message as message, server_id, session_id,
        ended_at, lease_ms as waited_ms, attempts, units_reserved as units,
        status >= 400 or cut or outcome = 'expired' as failed
    from ledger.leases
    where status > 0 or outcome = 'expired' or verdict = 'client_gone' or reason = 'client_gone'
    union all by name
    select request_id, client_request_id, number, asked_at, key_id, service_type, model, path,
        outcome, '' as code, 0 as status, '' as message, server_id, session_id, null as ended_at,
        date_diff('microsecond', asked_at, granted_at) / 1000 as waited_ms, attempts,
        units_reserved as units, false as failed
    from ledger.open_leases
    union all by name
    select request_id, client_request_id, number, asked_at, key_id, service_type, model, path,
        'refused' as outcome, reason as code, refusal_status(reason) as status, '' as message,
        '' as server_id, '' as session_id, ts as ended_at,
        date_diff('microsecond', asked_at, ts) / 1000 as waited_ms, 0 as attempts, units,
        true as failed
    from ledger.refusals where "count" > 0 and request_id <> ''
    union all by name
    select request_id, client_request_id, number, asked_at, key_id, service_type, model, path,
        'waiting' as outcome, '' as code, 0 as status, '' as message, '' as server_id,
        '' as session_id, null as ended_at, null as waited_ms, 0 as attempts, units,
        false as failed
    from ledger.requests
),
labels as (
    select session_id, label as session_label from ledger.sessions where label <> ''
),
wanted as (
    select calls.*, coalesce(keys.name, '') as key_name
    from calls left join ledger.keys as keys using (key_id)
    where asked_at is not null
        and ($key = '' or key_id = $key)
        and ($service_type = '' or service_type = $service_type)
        and ($server = '' or server_id = $server)
        and ($session = '' or session_id = $session)
        and ($outcome = '' or outcome = $outcome)
        and case $code when '' then true when 'none' then code = '' when 'any' then failed
            else code = $code end
        and ($model = '' or model = $model)
        and ($since = '' or asked_at >= try_cast($since as timestamp))
        and ($until = '' or asked_at < try_cast($until as timestamp))
        and (
            $before_at = ''
            or (asked_at, request_id) < (try_cast($before_at as timestamp), $before_id)
        )
        and (
            $q = ''
            or contains(lower(concat_ws(chr(10), request_id, client_request_id, model, session_id,
                keys.name, message)), lower($q))
            or session_id in (
                select session_id from labels where contains(lower(session_label), lower($q))
            )
        )
),
page as (from wanted order by asked_at desc, request_id desc limit $limit),
firsts as (
    select request_id, min(asked_at) as first_asked_at
    from ledger.leases
    where request_id in (select request_id from page where number > 1)
    group by all
)
select request_id, client_request_id, asked_at, key_id, key_name, service_type, model, path,
    outcome, code, status, message, server_id, session_id,
    coalesce(session_label, '') as session_label,
    date_diff('microsecond', coalesce(first_asked_at, asked_at), ended_at) / 1000 as latency_ms,
    waited_ms, attempts, units
from page left join firsts using (request_id) left join labels using (session_id)
order by asked_at desc, request_id desc
