-- servers: those configured, or that once were, as their last event left them; `dialect` is what
-- each understands.
select server.*, removed_at is null and health = 'up' and coalesce(ejected_until <= today.now, true)
    as healthy
from ledger.servers as server, (select now from today) as today
