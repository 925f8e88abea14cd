-- system_config: the original's table: the limits in force, as the pool journalled them.
select key, value, description from ledger.config
