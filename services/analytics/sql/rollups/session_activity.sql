-- session_activity: what each session did in its life, and by which server it was last served.
-- blamed: leases that ended by the session's own fault.
insert into ledger.session_activity by name
select session_id,
    sum(sign * (outcome not in ('open', 'cancelled'))::int) as leases,
    sum(sign * (outcome = 'settled')::int) as settled,
    sum(sign * (verdict in ('rate_limited', 'login_expired', 'risk_control'))::int) as blamed,
    max(granted_at) as last_used_at,
    arg_max(server_id, ended_sequence) filter (server_id <> '') as last_server_id
from changed
group by session_id
on conflict (session_id) do update set
    leases = leases + excluded.leases,
    settled = settled + excluded.settled,
    blamed = blamed + excluded.blamed,
    last_used_at = greatest(last_used_at, excluded.last_used_at),
    last_server_id = coalesce(excluded.last_server_id, last_server_id)
