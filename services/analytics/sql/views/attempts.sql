-- attempts: every try at a server; several of one lease are numbered by `attempt`.
select sequence || '.' || position as event_id,
    regexp_replace(lease_id, '\.\d+$', '') as request_id, *
from ledger.attempts
