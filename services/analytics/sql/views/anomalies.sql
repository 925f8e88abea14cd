-- anomalies: events that moved no units: out of place in the life of their lease, or set aside.
-- `kind` is `set_aside` for what no row holds; a `position` of -1 is a whole envelope.
select sequence || '.' || position as event_id, * from ledger.anomalies
