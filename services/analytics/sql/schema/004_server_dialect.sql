-- 004_server_dialect: what a server understands stands beside its address; those already known
-- have what their last event said, `plain` where it said nothing.
alter table ledger.servers add column dialect varchar default 'plain';
update ledger.servers as server set dialect = said.dialect
from (
    select entity_id,
        arg_max(json_extract_string(detail, '$.server.dialect'), (sequence, position)) as dialect
    from ledger.entity_events
    where event in ('server_added', 'server_changed')
        and json_extract_string(detail, '$.server.dialect') is not null
    group by entity_id
) as said
where said.entity_id = server.server_id;
