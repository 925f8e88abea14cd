-- v_session_utilization: the original's view: how much each session is used.
-- stale: > 7 days unused; idle: > 3 days; overused: ≥ 10 units today; active: ≥ 3; else light_use.
select session_id,
    last_used,
    case
        when last_used_or_added_at < today.now - interval 7 day then 'stale'
        when last_used_or_added_at < today.now - interval 3 day then 'idle'
        when total_usage >= 10 then 'overused'
        when total_usage >= 3 then 'active'
        else 'light_use'
    end as utilization_level
from v_session_today_usage
join session_states using (session_id)
cross join (select now from today) as today
