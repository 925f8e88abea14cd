-- requests: every call for a lease, and what became of it; `number` counts leases of a request.
-- decision is granted, refused, or empty while there is none; sequence is the decision's.
select request_id, number, service_type, units_reserved as units, asked_at, gateway_id, key_id,
    path, model, client_request_id, client_address, user_agent, granted_sequence as sequence,
    granted_at as ts, 'granted' as decision, '' as reason
from leases where is_call(path)
union all by name
select request_id, number, service_type, units, asked_at, gateway_id, key_id, path, model,
    client_request_id, client_address, user_agent, sequence, ts, 'refused' as decision, reason
from ledger.refusals where count = 1
union all by name
select * exclude (position), '' as decision, '' as reason from ledger.requests
