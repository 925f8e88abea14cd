"""The page about statistics: measures, dimensions, named queries, reports."""

from services.analytics import sql
from services.analytics.domain.questions.measures import (
    CALLS,
    DIMENSIONS,
    LEASES,
    MEASURES,
    REFUSALS,
)
from services.analytics.queries import Catalogue
from tidegate.reference.markdown import as_code, markdown_table

_INTRODUCTION = """# Statistics

`GET /api/stats/query` answers measures by dimensions as rows, `GET /api/stats/export` and
`tidegate export` as a file (`format=csv|json|ndjson|parquet|xlsx`), in constant memory:

```sh
tidegate export --measures requests,units_used,latency_p95_ms --by day,service --filter server:!
```

`from` and `to` are quota days, both included; without them: the last seven, today included.
`filter=service:image,video` keeps rows of any of these, `filter=outcome:!settled` those of none of
these, and an empty value stands for none (`server:`); several filters must all hold. Rows come in
the order of `order` (`-` before a name puts the greatest first), then of the dimensions.
A query answers at most 10,000 rows, an export `export_rows_max`; `truncated` (`X-Truncated`) says
that there were more. In a CSV, a text that a spreadsheet would take for a formula has a `'` before
it. Names of measures and dimensions are the names of columns; they stay.
"""


_FIGURES = [
    (
        (
            "`requests`: measure, reports, `/api/stats/summary` and `/api/session/stats` "
            "(`total_requests`, `totalRequests`), `daily_stats.total_requests`"
        ),
        (
            "clients' calls that got a lease, each once: on the quota day, at the session"
            " and server of its *first* lease. So days, sessions, servers and keys add up"
            " to the whole"
        ),
    ),
    (
        "`calls`, `calls_failed`, `calls_gone`, `call_failure_rate`, `daily_stats.error_rate`",
        (
            "what clients saw: calls at their *end*, one answer each: a lease's, a "
            "refusal, or the gateway's own. Failed: status 400 and above, broken off, or "
            "no answer. Gone: its client had left while its lease was in hand. One that left "
            "while the pool was asked is failed where the pool refused it (its refusal tells "
            "of no client), gone where it got a lease, and else not counted, nor is one that "
            "left before that. Not in the log, and so not counted: calls without a known key; "
            "outages that earlier versions journalled without their code"
        ),
    ),
    (
        "`refused`, `daily_stats.refused_requests`",
        (
            "leases that the pool refused, or did not answer in time (`ledger_unavailable`); "
            "one that was sent again, or told by two leaders, or by pool and gateway, once (its "
            "second row has `count` 0)"
        ),
    ),
    (
        "`failures`, `lease_failure_rate` (`failure_rate` is the same)",
        (
            "leases that ended released, unknown, expired or unserved, among those that "
            "ended so or settled. A call may have failed leases and succeed"
        ),
    ),
    (
        "`unserved`",
        (
            "cancelled leases whose client was answered an error of ours, by its name: "
            "`no_backend` and others. Of an outage it is the first call: further ones get no "
            "lease, and stand in `calls` and `calls_refused`"
        ),
    ),
    (
        "`request_count` of `session_usage`; of `sessions`",
        "leases that used units; leases that ended otherwise than cancelled",
    ),
    (
        "`server_stats.total_requests`, `attempts`",
        "tries at servers: several a call",
    ),
    (
        "`success_rate` of a server in `report_servers` and in `/api/load-balancer`",
        (
            "share of tries for which the server was not to blame (not `unreachable`, not"
            " `outcome_unknown`): of the report's period, of the last minutes"
        ),
    ),
    (
        "`avgDailyUsage`",
        "used units a day, of the days asked for",
    ),
    (
        "`avg_requests_per_session`",
        "requests by sessions that used a unit",
    ),
    (
        "`last_used` of a session",
        (
            "when it was last leased for a call that was sent, or may have been; known at"
            " the end of that lease"
        ),
    ),
    (
        "`created_at`, `updated_at` of `session_usage`",
        "when the day's first lease was granted; when one was last granted, ended or corrected",
    ),
    (
        "`current_date`, `today()`, `select day from today`",
        "the quota day in the pool's `quota_timezone`, whatever the machine's; instants are UTC",
    ),
    (
        "`calls_refused`",
        (
            "calls of a known key that a gateway refused itself, an event a minute for "
            "each (key, service type, code)"
        ),
    ),
]
"""What counts what, in columns of a table."""
_REBUILDING = """While the figures are made anew every question is answered 503 `rebuilding`, with
the progress.
A refusal beyond a key's budget (ten at once, one more a second) has no row of its own: it is in the
`count` of one that stands for up to ten seconds. `tidegate explain` of such an id tells the count.
"""


def statistics_page() -> str:
    """Every measure and dimension, every named query with its parameters, every section."""
    sources = Catalogue().sources.values()
    parts = [
        _INTRODUCTION,
        ("## What each figure counts\n\nOne word is one number, whichever door tells it.\n"),
        markdown_table(("figure", "counts"), _FIGURES),
        _REBUILDING,
        "## Measures\n",
        markdown_table(
            ("measure", "counts", "meaning"),
            [
                (as_code(name), _rows_counted(source.facts), source.meaning)
                for name, source in MEASURES.items()
            ],
        ),
        "## Dimensions\n",
        markdown_table(
            ("dimension", "meaning"), [(as_code(n), meaning) for n, meaning in DIMENSIONS.items()]
        ),
        "## Named queries\n\nAsked with `query=<name>` and their parameters, in both ways.\n",
        markdown_table(
            ("query", "parameters", "answers"),
            [
                (
                    as_code(source.name),
                    ", ".join(map(_parameter_code, source.parameters.values())),
                    source.meaning,
                )
                for source in sorted(sources, key=lambda source: source.name)
            ],
        ),
        (
            "## Sections of the reports\n\n`tidegate report daily|weekly` and"
            " `GET /api/reports/{daily|weekly}`; each is a file of `sql/reports`.\n"
        ),
        markdown_table(
            ("section", "query", "shown as"),
            [
                (source.section.title, as_code(source.name), source.section.shape)
                for source in sorted(sources, key=_section_place)
                if source.section is not None
            ],
        ),
    ]
    return "\n".join(parts)


def _section_place(source: sql.Source) -> int:
    return source.section.place if source.section else 0


def _rows_counted(facts: str) -> str:
    return {LEASES: "leases", REFUSALS: "refusals", CALLS: "calls"}.get(facts, "attempts")


def _parameter_code(parameter: sql.Parameter) -> str:
    default = "" if parameter.default is None else f" = {parameter.default}"
    return as_code(f"{parameter.name} ({parameter.type}{default})")
