-- session_activity: what each session did in its life, and by which server it was last served.
insert into ledger.session_activity by name
select session_id,
    sum(settled + released + unknown + expired) as leases,
    sum(settled) as settled,
    sum(blamed) as blamed,
    max(last_used_at) as last_used_at,
    arg_max(last_server_id, last_ended) filter (last_server_id is not null) as last_server_id
from changed
group by session_id
on conflict (session_id) do update set
    leases = leases + excluded.leases,
    settled = settled + excluded.settled,
    blamed = blamed + excluded.blamed,
    last_used_at = greatest(last_used_at, excluded.last_used_at),
    last_server_id = coalesce(excluded.last_server_id, last_server_id)
