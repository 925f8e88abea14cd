"""From words to SQL: names are looked up, values are parameters, and what is wrong is named."""

from datetime import date

import pytest

from contracts.analytics import Statistics
from services.analytics.domain.questions.measures import DIMENSIONS, MEASURES
from services.analytics.domain.questions.statistics import (
    StatisticsError,
    statistics_statement,
    statistics_words,
)


def statistics_of(**changes: object) -> Statistics:
    return Statistics(**{"measures": ["leases"], **changes})  # type: ignore[arg-type]


def statistics_error(**changes: object) -> str:
    with pytest.raises(StatisticsError) as error:
        statistics_statement(statistics_of(**changes))
    return str(error.value)


def test_whatever_may_be_asked_is_listed_with_what_it_says() -> None:
    words = statistics_words()

    assert {word.name for word in words.measures} == {*MEASURES}
    assert {word.name for word in words.dimensions} == {*DIMENSIONS}
    assert all(word.meaning for word in (*words.measures, *words.dimensions))


def test_measures_of_several_views_stand_side_by_side() -> None:
    made = statistics_statement(
        statistics_of(measures=["leases", "attempts", "refused"], dimensions=["day"])
    ).sql

    assert [made.count(view) for view in ("lease_facts", "attempt_facts", "refusal_facts")] == [
        1,
        1,
        1,
    ]
    assert made.startswith('select "day", coalesce(any_value("leases"), 0) as "leases"')
    assert made.endswith('order by "day"')


def test_what_is_unknown_without_rows_stays_unknown() -> None:
    assert (
        'any_value("failure_rate") as "failure_rate"'
        in statistics_statement(statistics_of(measures=["failure_rate"])).sql
    )


def test_no_word_of_a_client_is_in_the_sql() -> None:
    given = "x'; drop table ledger.leases; --"
    made = statistics_statement(
        statistics_of(filters=[f"model:{given}", f"key:!{given}"], since="2026-01-01")
    )

    assert "drop" not in made.sql
    assert made.parameters == {
        "since": date(2026, 1, 1),
        "until": None,
        "values_0": [given],
        "values_1": [given],
    }
    assert 'not list_contains($values_1, "key"::varchar)' in made.sql


def test_a_name_given_twice_counts_once() -> None:
    made = statistics_statement(
        statistics_of(measures=["leases", "leases"], dimensions=["day", "day"])
    ).sql

    assert made.count('as "leases"') == 2


def test_order_is_by_what_is_wanted_then_by_the_dimensions() -> None:
    made = statistics_statement(
        statistics_of(dimensions=["day", "service"], order=["-leases", "service"])
    ).sql

    assert made.endswith('"leases" desc nulls last, "service" asc nulls last, "day"')
    assert "order by" not in statistics_statement(statistics_of()).sql


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"measures": ["tea"]}, "measures: there is no measure 'tea'; there are: requests, "),
        ({"measures": []}, "measures: expected at least one; there are: requests, "),
        ({"dimensions": ["sky"]}, "dimensions: there is no dimension 'sky'; there are: day, "),
        ({"filters": ["sky:blue"]}, "filter: there is no dimension 'sky'"),
        ({"filters": ["day"]}, "filter: expected <dimension>:<value>[,<value>…], got 'day'"),
        ({"filters": ["day:1"] * 21}, "filter: expected at most 20, got 21"),
        ({"filters": ["day:" + "," * 100]}, "filter: expected at most 100 values of day, got 101"),
        ({"order": ["attempts"]}, "order: expected one of those asked for (leases), got"),
        ({"until": "2026-W01-1"}, "to: expected a date such as 2026-01-31, got '2026-W01-1'"),
        ({"since": "2026-1-1"}, "from: expected a date such as 2026-01-31, got '2026-1-1'"),
        ({"until": "2026-02-30"}, "to: expected a date such as 2026-01-31, got '2026-02-30'"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "from: expected a day no later than to"),
    ],
)
def test_what_is_wrong_is_named_with_what_was_expected(
    changes: dict[str, object], named: str
) -> None:
    assert named in statistics_error(**changes)


def test_names_are_columns_that_sql_and_every_format_take() -> None:
    for name, measure in MEASURES.items():
        assert name.isidentifier()
        assert name.islower()
        assert measure.meaning
    assert not MEASURES.keys() & DIMENSIONS.keys()


def test_times_are_rounded_to_microseconds() -> None:
    (name,) = [name for name in MEASURES if name == "latency_p50_ms"]

    made = statistics_statement(statistics_of(measures=[name])).sql
    assert f'round(any_value("{name}"), 3) as "{name}"' in made


def test_what_was_before_stands_beside_each_measure() -> None:
    asked = statistics_of(dimensions=["day", "service"], compare=True, order=["-leases"])

    sql = statistics_statement(asked).sql

    assert 'select "day", "service", chosen."leases", before."leases" as "leases_before"' in sql
    assert 'full join before using ("day", "service")' in sql
    assert sql.endswith('order by "leases" desc nulls last, "day", "service"')


def test_without_dimensions_both_sides_are_one_row() -> None:
    assert "from chosen cross join before" in statistics_statement(statistics_of(compare=True)).sql
