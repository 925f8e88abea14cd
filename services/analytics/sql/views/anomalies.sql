-- anomalies: events out of place in the life of their lease; they moved no units. Audit judges.
select sequence || '.' || position as event_id, * from ledger.anomalies
