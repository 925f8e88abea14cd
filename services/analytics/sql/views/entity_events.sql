-- entity_events: what happened to sessions, servers, keys, policy and leaderships.
select sequence || '.' || position as event_id, * from ledger.entity_events
