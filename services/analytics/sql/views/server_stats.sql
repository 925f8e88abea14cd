-- server_stats: the original's table: attempts per server and quota day.
-- failed_requests are those the server is blamed for: not reached, or no outcome to trust; a
-- request it rightly refused is neither. Response times (ms) are of attempts that were sent.
select strftime(quota_day, '%Y-%m-%d') || '/' || server_id as id,
    url as server_url,
    quota_day as date,
    whole(sum(attempts)) as total_requests,
    whole(sum(succeeded)) as successful_requests,
    whole(sum(failed)) as failed_requests,
    sum(total_ms) / nullif(sum(timed), 0) as avg_response_time,
    min(min_ms) as min_response_time,
    max(max_ms) as max_response_time,
    count(distinct session_id) as active_sessions,
    server_id
from ledger.server_days
left join ledger.servers using (server_id)
group by quota_day, server_id, url
