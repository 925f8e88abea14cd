-- requests_counted: how many calls there are of those that `requests` lists by the same filter, and of
-- what of them is only counted, by key, service type and code, the most first. `rows` have one row
-- each; `calls` adds those that they stand for and those that have none.
-- $key, $service_type, $server, $session, $outcome, $code, $model (text = ): only of these; empty is any; the code `none` is none,
-- and `any` is a call that failed as its client saw it: an error, a broken answer, or nothing at all.
-- $since, $until (text = ): only those that asked from $since on, and before $until; moments in UTC.
-- $ended_since (text = ): only those that came to an end after this moment.
-- $q (text = ): only those in whose ids, model, session or its label, key's name or message this stands.
-- $limit (integer = 50): kinds of counted calls at most.
with labels as (
    select session_id, label as session_label from ledger.sessions where label <> ''
),
wanted as (
    select calls.*, coalesce(keys.name, '') as key_name
    from listed_calls as calls left join ledger.keys as keys using (key_id)
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
        and ($ended_since = '' or ended_at > try_cast($ended_since as timestamp))
        and (
            $q = ''
            or contains(lower(concat_ws(chr(10), request_id, client_request_id, model, session_id,
                keys.name, message)), lower($q))
            or session_id in (
                select session_id from labels where contains(lower(session_label), lower($q))
            )
        )
),
kinds as (
    select key_id, key_name, service_type, code, status, whole(sum("count")) as calls,
        min(asked_at) as since, max(ended_at) as until
    from wanted where request_id = '' group by all
    order by calls desc, code, key_id, service_type limit $limit
)
select
    (select count(*) from wanted where request_id <> '') as "rows",
    (select coalesce(whole(sum("count")), 0) from wanted) as calls,
    (select list(kinds order by calls desc, code, key_id, service_type) from kinds) as counted
