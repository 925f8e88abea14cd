-- explain: everything the log knows of the requests that an id names, one row per request.
-- A list each of what was asked for and decided (`number` counts leases), of leases, attempts,
-- refusals, and of what it did to sessions. A refusal whose `count` is above 1 stands for equal
-- ones since `since`; their own ids are not in the log (`explain_counted`).
-- $request_id (text): our id, or the one that a client gave; that may name several.
-- $limit (integer = 20): requests at most, the latest first.
with named as (
    select request_id, max(ts) as latest from (
        select request_id, ts from requests
        where request_id = $request_id or client_request_id = $request_id
        union all by name select request_id, ts from ledger.refusals where request_id = $request_id
        union all by name select request_id, ended_at as ts from leases
        where request_id = $request_id or client_request_id = $request_id
    ) group by all
),
found as (from named order by latest desc nulls last, request_id limit $limit),
asked as (
    select request_id, list(r order by r.number) as asked
    from requests as r where request_id in (select request_id from found) group by all
),
granted as (
    select request_id, list(l order by l.number) as leases
    from (
        select leases.*, coalesce(label, '') as session_label, coalesce(account, '') as account,
            coalesce(tier, '') as tier
        from leases
        left join (select session_id, label, account, tier from ledger.sessions) using (session_id)
    ) as l where request_id in (select request_id from found) group by all
),
tried as (
    select request_id, list(a order by a.sequence, a.position, a.attempt) as attempts
    from attempts as a where request_id in (select request_id from found) group by all
),
refused as (
    select request_id, list(n order by n.sequence, n.position) as refusals
    from refusals as n where request_id in (select request_id from found) group by all
),
brought_about as (
    select detail ->> '$.request_id' as request_id,
        list({'event_id': sequence || '.' || position, 'ts': ts, 'event': event,
            'entity_id': entity_id, 'session_label': coalesce(label, ''), 'reason': reason,
            'detail': detail}
            order by sequence, position) as consequences
    from ledger.entity_events
    left join (select session_id, label from ledger.sessions) on session_id = entity_id
    where detail ->> '$.request_id' in (select request_id from found) group by all
)
select request_id, asked, leases, attempts, refusals, consequences
from found left join asked using (request_id) left join granted using (request_id)
left join tried using (request_id) left join refused using (request_id)
left join brought_about using (request_id)
order by latest desc nulls last, request_id
