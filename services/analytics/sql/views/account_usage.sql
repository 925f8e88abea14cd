-- account_usage: units per quota day, account and service type: those of all sessions that use it.
-- account: its name, or the id of the session whose own it is. Counts from before a session joined
-- are in it. units_told: that so many were used at least, whoever used them, an operator said of a
-- session that was added in the middle of its day (null: nobody did); what leases had used by then
-- is a part of them, and what they use afterwards comes on top.
with leased as (
    select quota_day, coalesce(nullif(session.account, ''), session_id) as account, service_type,
        count(*) as sessions,
        whole(sum(units_used)) as units_used,
        whole(sum(units_reserved)) as units_reserved
    from usage_by_day
    left join ledger.sessions as session using (session_id)
    group by all
),
said as (
    select entity_id, try_cast(detail ->> '$.quota_day' as date) as quota_day,
        unnest(map_entries(json_transform(detail -> '$.used', '"MAP(VARCHAR, VARCHAR)"'))) as units
    from ledger.entity_events
    where event = 'account_changed'
),
told as (
    select quota_day, coalesce(nullif(session.account, ''), entity_id) as account,
        units.key as service_type, max(try_cast(units.value as bigint)) as units_told
    from said
    left join ledger.sessions as session on session.session_id = entity_id
    group by all
)
select quota_day, account, service_type,
    coalesce(sessions, 0) as sessions,
    coalesce(units_used, 0) as units_used,
    coalesce(units_reserved, 0) as units_reserved,
    units_told
from leased
full join told using (quota_day, account, service_type)
