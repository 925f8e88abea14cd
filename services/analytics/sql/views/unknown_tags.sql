-- unknown_tags: events this version cannot read: skipped, and counted here.
select * from ledger.unknown_tags
