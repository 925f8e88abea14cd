-- account_usage: units per quota day, account and service type: those of all sessions that use it.
-- account: its name, or the id of the session whose own it is. Counts from before a session joined
-- are in it: what leases used, not what an operator told (entity_events, account_changed).
select quota_day,
    coalesce(nullif(session.account, ''), session_id) as account,
    service_type,
    count(*) as sessions,
    whole(sum(units_used)) as units_used,
    whole(sum(units_reserved)) as units_reserved
from usage_by_day
left join ledger.sessions as session using (session_id)
group by all
