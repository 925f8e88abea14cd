-- unknown_tags: events, or whole envelopes, that this version cannot read.
insert into ledger.unknown_tags by name
select * from batch_unknown_tags
on conflict (tag) do update set
    events = events + excluded.events,
    last_sequence = excluded.last_sequence
