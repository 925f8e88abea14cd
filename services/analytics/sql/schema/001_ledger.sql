-- 001_ledger: the tables behind the views; one column per field of services/analytics/domain/rows.py.
-- Instants are UTC TIMESTAMPs. Facts are appended, last states replaced, rollups added to.

create table ledger.progress (
    stream_created varchar not null, sequence bigint not null, envelopes bigint not null,
    events bigint not null, written_at timestamp not null
);

create table ledger.requests (
    sequence bigint, position integer, ts timestamp, request_id varchar, number integer,
    service_type varchar, units integer, asked_at timestamp, gateway_id varchar, key_id varchar,
    path varchar, model varchar, client_request_id varchar, client_address varchar,
    user_agent varchar
);

create table ledger.leases (
    lease_id varchar, request_id varchar, number integer, session_id varchar,
    service_type varchar, quota_day date, units_reserved integer, granted_at timestamp,
    granted_sequence bigint, expires_at timestamp, trial boolean, asked_at timestamp, gateway_id varchar,
    key_id varchar, path varchar, model varchar, client_request_id varchar,
    client_address varchar, user_agent varchar, outcome varchar, ended_at timestamp,
    ended_sequence bigint, correction varchar, corrected_at timestamp, reason varchar,
    units_settled integer, units_unknown integer, units_expired integer, units_over integer,
    verdict varchar, status integer, upstream_code bigint, error_code varchar,
    error_message varchar, cut boolean, server_id varchar, attempts integer, lease_ms double,
    first_byte_ms double, total_ms double, bytes_in bigint, bytes_out bigint
);
create table ledger.open_leases as from ledger.leases;

create table ledger.attempts (
    sequence bigint, position integer, attempt integer, ts timestamp, quota_day date,
    lease_id varchar, session_id varchar, service_type varchar,
    server_id varchar, region varchar, strategy varchar, candidates varchar, verdict varchar,
    status integer, upstream_code bigint, failure varchar, sent boolean, connect_ms double,
    first_byte_ms double, total_ms double
);

create table ledger.refusals (
    sequence bigint, position integer, ts timestamp, day date, request_id varchar,
    number integer, service_type varchar, units integer, asked_at timestamp,
    gateway_id varchar, key_id varchar, path varchar, model varchar, client_request_id varchar,
    client_address varchar, user_agent varchar, reason varchar, retry_after_s double, count bigint
);

create table ledger.entity_events (
    sequence bigint, position integer, ts timestamp, subject varchar, event varchar,
    entity_id varchar, reason varchar, caused_by varchar, detail varchar
);

create table ledger.anomalies (
    sequence bigint, position integer, ts timestamp, kind varchar, lease_id varchar
);

create table ledger.sessions (
    session_id varchar, status varchar, region varchar, limits varchar, quota_timezone varchar,
    origin varchar, added_at timestamp, added_day date, changed_at timestamp,
    retired_at timestamp, retired_day date, cooling_until timestamp, suspected_at timestamp,
    reason varchar
);

create table ledger.servers (
    server_id varchar, url varchar, region varchar, priority integer, weight integer,
    sessions_max integer, capabilities varchar, idempotent boolean, added_at timestamp,
    changed_at timestamp, removed_at timestamp, health varchar, ejected_until timestamp,
    reason varchar
);

create table ledger.keys (
    key_id varchar, name varchar, scope varchar, requests_per_minute integer,
    concurrency integer, models varchar, issued_at timestamp, issued_by varchar,
    changed_at timestamp, revoked_at timestamp, reason varchar
);

create table ledger.config (key varchar, value varchar, description varchar);

create table ledger.usage_by_day (
    quota_day date, session_id varchar, service_type varchar, granted bigint, settled bigint,
    released bigint, unknown bigint, cancelled bigint, expired bigint, reconciled bigint,
    charged bigint, units_reserved bigint, units_settled bigint, units_unknown bigint,
    units_expired bigint, units_over bigint, primary key (quota_day, session_id, service_type)
);

create table ledger.session_activity (
    session_id varchar primary key, leases bigint, settled bigint, blamed bigint,
    last_used_at timestamp, last_server_id varchar
);

create table ledger.server_days (
    quota_day date, server_id varchar, session_id varchar, attempts bigint, succeeded bigint,
    failed bigint, timed bigint, total_ms double, min_ms double, max_ms double,
    primary key (quota_day, server_id, session_id)
);

create table ledger.days (
    day date primary key, ended bigint, failed bigint, answered bigint, answered_ms double,
    refused bigint, open_max bigint
);

create table ledger.unknown_tags (tag varchar primary key, events bigint, last_sequence bigint);
