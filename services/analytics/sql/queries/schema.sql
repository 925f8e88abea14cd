-- schema: what the file has: the migrations that were applied to it (`schema`), and its views.
select 'schema' as kind, name from ledger.migrations
union all
select 'views' as kind, view_name as name from duckdb_views()
where schema_name = 'main' and not internal
order by kind, name
