-- requests: clients' calls, one row each, the latest first, as the view `listed_calls` has them.
-- `latency_ms` is what a call took at its gateway, as in all figures; of one of which no gateway said
-- that, from its first question for a lease to the moment of its end. What is only counted has no row:
-- `requests_counted` has it.
-- $key, $service_type, $server, $session, $outcome, $code, $model (text = ): only of these; empty is any; the code `none` is none,
-- and `any` is a call that failed as its client saw it: an error, a broken answer, or nothing at all.
-- $since, $until (text = ): only those that asked from $since on, and before $until; moments in UTC.
-- $ended_since (text = ): only those that came to an end after this moment.
-- $q (text = ): only those in whose ids, model, session or its label, key's name or message this stands.
-- $before_at, $before_id (text = ): only those behind this row: when it asked, and its request.
-- $limit (integer = 100): rows at most.
-- $skip (integer = 0): so many rows are passed over first.
with labels as (
    select session_id, label as session_label from ledger.sessions where label <> ''
),
wanted as (
    select calls.*, coalesce(keys.name, '') as key_name
    from listed_calls as calls left join ledger.keys as keys using (key_id)
    where asked_at is not null and request_id <> ''
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
        and ($ended_since = '' or ended_at > try_cast($ended_since as timestamp))
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
page as (from wanted order by asked_at desc, request_id desc limit $limit offset $skip),
firsts as (
    select request_id, min(asked_at) as first_asked_at
    from ledger.leases
    where request_id in (select request_id from page where number > 1)
    group by all
)
select request_id, client_request_id, asked_at, key_id, key_name, service_type, model, path,
    outcome, code, status, message, server_id, session_id,
    coalesce(session_label, '') as session_label,
    if(total_ms > 0, total_ms,
        date_diff('microsecond', coalesce(first_asked_at, asked_at), ended_at) / 1000) as latency_ms,
    waited_ms, attempts, units, "count"
from page left join firsts using (request_id) left join labels using (session_id)
order by asked_at desc, request_id desc
