-- refusal_status: the HTTP status that a client was given for a refusal of the pool's, by its reason.
(reason) as case reason
    when 'pool_quota_exhausted' then 429
    when 'upstream_credentials_exhausted' then 502
    when 'unknown_service' then 400
    when 'too_many_units' then 400
    when 'pool_saturated' then 503
    when 'stale_request' then 503
    when 'cancelled' then 503
    when 'ledger_unavailable' then 503
    else 0
end
