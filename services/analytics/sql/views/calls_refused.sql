-- calls_refused: calls of known keys that a gateway refused itself, by key, type, code, minute.
-- `count` 0: the same was told before.
select sequence || '.' || position as event_id, * from ledger.calls_refused
