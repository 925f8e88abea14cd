-- server_events: the same of servers alone.
select * from entity_events where event like 'server\_%' escape '\'
