-- sessions: the original's table. `server_url` is the server that last served the session;
-- `status` is active, inactive (draining, retired) or unhealthy (suspect, disabled); ours is
-- `state`. A cooling session is active: it only waits.
select session_id,
    last_server_url as server_url,
    case
        when status in ('active', 'cooling') then 'active'
        when status in ('draining', 'retired') then 'inactive'
        else 'unhealthy'
    end as status,
    health_score,
    added_at as created_at,
    last_used_at as last_used,
    leases as request_count,
    json_object('region', region, 'origin', origin, 'limits', limits::json, 'reason', reason,
        'account', account, 'tier', tier)
        as metadata,
    changed_at as updated_at,
    status as state,
    region,
    origin,
    account,
    tier,
    label,
    retired_at,
    cooling_until
from session_states
