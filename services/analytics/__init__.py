"""History and statistics: the event log, projected into one DuckDB file and asked there.

app         composition root: the only place where adapters are made
settings    what an operator may turn (`[analytics]`)
domain/     pure: envelopes → rows and rollup deltas
handlers    NATS doors: named queries, statistics, strangers' SQL, exports, reports, ping
exports/    answers as files: CSV, JSON, NDJSON, Parquet, XLSX, fetched part by part
reports/    the daily and the weekly report: HTML with plots, Markdown, JSON
fitness     which events no row can hold
folding     envelopes as they are read, folded in order
sifting     a batch that the store refuses: what it does not take of it is set aside by name
copies      the same file beside the running one: made for a backup, bound to the restored log
freshness   how far that is behind the log, and whether answers may be trusted
projector   follows the log into the store, exactly once, and says how far it is
queries     the catalogue of `sql/queries` and `sql/reports`, and statistics in words
store/      the DuckDB file: migrations, one writer, readers of ours
sandbox/    strangers' SQL, in a process of its own over a copy of the file
reading/    one SELECT and its answer, whoever asks
metrics     what the process counts
sql/        schema (migrations), views (the original's names among them), queries, reports
"""
