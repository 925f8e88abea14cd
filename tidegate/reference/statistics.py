"""The page about statistics: measures, dimensions, named queries, reports."""

from services.analytics import sql
from services.analytics.domain.measures import CALLS, DIMENSIONS, LEASES, MEASURES, REFUSALS
from services.analytics.queries import Catalogue
from tidegate.reference.markdown import code, table

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


def statistics() -> str:
    """Every measure and dimension, every named query with its parameters, every section."""
    sources = Catalogue().sources.values()
    parts = [
        _INTRODUCTION,
        "## Measures\n",
        table(
            ("measure", "counts", "meaning"),
            [(code(name), _rows(one.facts), one.meaning) for name, one in MEASURES.items()],
        ),
        "## Dimensions\n",
        table(("dimension", "meaning"), [(code(n), meaning) for n, meaning in DIMENSIONS.items()]),
        "## Named queries\n\nAsked with `query=<name>` and their parameters, in both ways.\n",
        table(
            ("query", "parameters", "answers"),
            [
                (code(one.name), ", ".join(map(_parameter, one.parameters.values())), one.meaning)
                for one in sorted(sources, key=lambda source: source.name)
            ],
        ),
        (
            "## Sections of the reports\n\n`tidegate report daily|weekly` and"
            " `GET /api/reports/{daily|weekly}`; each is a file of `sql/reports`.\n"
        ),
        table(
            ("section", "query", "shown as"),
            [
                (one.section.title, code(one.name), one.section.shape)
                for one in sorted(sources, key=_place)
                if one.section is not None
            ],
        ),
    ]
    return "\n".join(parts)


def _place(source: sql.Source) -> int:
    return source.section.place if source.section else 0


def _rows(facts: str) -> str:
    return {LEASES: "leases", REFUSALS: "refusals", CALLS: "calls"}.get(facts, "attempts")


def _parameter(parameter: sql.Parameter) -> str:
    default = "" if parameter.default is None else f" = {parameter.default}"
    return code(f"{parameter.name} ({parameter.type}{default})")
