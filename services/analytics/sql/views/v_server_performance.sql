-- v_server_performance: the original's view: sessions by the server that last served them.
select server_url,
    count(*) as total_sessions,
    avg(request_count) as avg_requests_per_session,
    count(*) filter (health_score > 80) as healthy_sessions,
    count(*) filter (health_score <= 50) as unhealthy_sessions,
    avg(health_score) as avg_health_score
from sessions
where server_url is not null
group by server_url
