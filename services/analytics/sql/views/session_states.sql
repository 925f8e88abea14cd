-- session_states: sessions in our own words, with what they did; `status` as it is now.
-- health_score: 100 × the share of leases that did not end by the session's own fault (rate
-- limit, expired login, risk control), weighed as if one good lease came before; 40 while it is
-- suspect, 0 when disabled. last_used_at: when it was leased for what may have been sent.
select state.* exclude (status),
    case
        when state.status = 'active' and suspected_at is not null then 'suspect'
        when state.status = 'active' and cooling_until > today.now then 'cooling'
        else state.status
    end as status,
    coalesce(activity.leases, 0) as leases,
    case
        when state.status = 'disabled' then 0
        when suspected_at is not null then 40
        else round(100 * (1 - coalesce(blamed, 0) / (coalesce(activity.leases, 0) + 1)), 1)
    end::double as health_score,
    coalesce(last_used_at, state.added_at) as last_used_or_added_at,
    activity.last_used_at,
    activity.last_server_id,
    server.url as last_server_url
from ledger.sessions as state
left join ledger.session_activity as activity using (session_id)
left join ledger.servers as server on server.server_id = activity.last_server_id
cross join (select now from today) as today
