-- audit_set_aside: the first events, and whole envelopes, that no row holds; `of_so_many` in all.
-- $limit (integer = 20): how many to name.
select event_id, reason, count(*) over () as of_so_many
from anomalies
where kind = 'set_aside'
order by sequence, position
limit $limit
