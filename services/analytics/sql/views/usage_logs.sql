-- usage_logs: the original's table: one row per lease whose use a gateway recorded.
select lease_id as id,
    session_id,
    service_type,
    ended_at as timestamp,
    request_id,
    client_address as ip_address,
    user_agent,
    total_ms as response_time,
    status as status_code,
    nullif(error_message, '') as error_message,
    json_object('outcome', outcome, 'verdict', verdict, 'server_id', server_id, 'model', model,
        'key_id', key_id, 'units', units_used, 'error_code', error_code) as metadata,
    outcome,
    verdict,
    server_id,
    model,
    key_id
from usage
where verdict <> ''
