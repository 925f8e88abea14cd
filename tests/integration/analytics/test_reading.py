"""One SELECT and its answer: what is refused, what JSON can carry, and the file itself."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pytest

from services.analytics.reading.values import fitting_rows, json_safe, json_weight, rows_of
from services.analytics.store import Database, QuestionError, Readers, StoreError
from tests.integration.analytics.parts import ESCAPES, MEMORY, history, stored
from tests.moments import NOON


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    with stored(tmp_path_factory.mktemp("questions") / "a.duckdb", history()) as opened:
        yield opened


# ----------------------------------------------------------------------------- one SELECT


@pytest.mark.parametrize("query", ESCAPES)
def test_all_but_one_select_is_refused(readers: Readers, tmp_path: Path, query: str) -> None:
    before = readers.ask_rows("select count(*), sum(units_used) from leases", 10).rows

    with pytest.raises(QuestionError):
        readers.ask_rows(query.replace("{folder}", str(tmp_path)), 10)

    assert readers.ask_rows("select count(*), sum(units_used) from leases", 10).rows == before
    assert list(tmp_path.iterdir()) == []


def test_what_python_holds_is_out_of_reach(readers: Readers) -> None:
    secrets = duckdb.sql("select 1 as a").to_arrow_table()

    assert secrets.num_rows == 1

    with pytest.raises(QuestionError, match="secrets"):
        readers.ask_rows("select * from secrets", 10)


def test_instant_beyond_the_calendar_is_refused_and_not_a_fault(readers: Readers) -> None:
    with pytest.raises(QuestionError):
        readers.ask_rows("select timestamp '290000-01-01'", 1)


def test_endless_question_is_interrupted(readers: Readers) -> None:
    hasty = Readers(readers._database, lambda: NOON, 0.2)

    with pytest.raises(QuestionError, match=r"interrupted after 0\.2 s"):
        hasty.ask_rows("select count(*) from range(10000000000) a, range(10000000) b", 10)


def test_question_is_interrupted_amid_its_rows_too(readers: Readers) -> None:
    hasty = Readers(readers._database, lambda: NOON, 0.5)

    with pytest.raises(QuestionError, match=r"interrupted after 0\.5 s"):
        hasty.ask_rows("select range from range(100000000000) where range % 1000000007 = 0", 10_000)


def test_what_fails_amid_the_rows_is_told(readers: Readers) -> None:
    with pytest.raises(QuestionError, match="too late"):
        readers.ask_rows("select if(range < 5000, 1, error('too late')) from range(10000)", 10_000)


def test_greedy_question_runs_out_of_memory_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.duckdb", 100_000_000)
    small = Readers(database, lambda: NOON, 60.0)

    with pytest.raises(QuestionError, match=r"out of memory.*\[analytics\] memory \(0\.1 GB\)"):
        small.ask_rows("select list(range) from range(50000000)", 10)

    assert small.ask_rows("select 1", 10).rows == [[1]]
    database.close()


def test_value_of_a_kind_nobody_thought_of_is_text() -> None:
    assert json_safe(1j) == "1j"


def test_more_rows_than_wanted_are_cut_off_and_said_so(readers: Readers) -> None:
    cut = readers.ask_rows("select * from range(5000)", 1500)
    whole = readers.ask_rows("select * from range(1500)", 1500)

    assert (len(cut.rows), cut.truncated) == (1500, True)
    assert (len(whole.rows), whole.truncated) == (1500, False)


def test_answer_names_the_log_sequence_it_is_true_for(readers: Readers) -> None:
    assert readers.ask_rows("select 1", 1).sequence == len(history().stored)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("timestamp '2026-01-01 12:00:00.5'", "2026-01-01T12:00:00.500000Z"),
        ("timestamptz '2026-01-01 12:00:00+08'", "2026-01-01T04:00:00Z"),
        ("date '2026-01-01'", "2026-01-01"),
        ("time '12:30'", "12:30:00"),
        ("1.50::decimal(9,2)", 1.5),
        ("2.00::decimal(9,2)", 2),
        ("sum(x)", 3),
        (
            "170141183460469231731687303715884105727::hugeint",
            "170141183460469231731687303715884105727",
        ),
        ("9007199254740993", "9007199254740993"),
        ("'nan'::double", None),
        ("'inf'::double", None),
        ("null", None),
        ("true", True),
        ("'a\\x00b'::blob", "610062"),
        ("[1, null]", [1, None]),
        ("{'a': date '2026-01-01'}", {"a": "2026-01-01"}),
        ("'0195e6b0-0000-7000-8000-000000000000'::uuid", "0195e6b0-0000-7000-8000-000000000000"),
        ("interval '1 year 2 months 3 days 90 minutes 0.5 seconds'", "P14M3DT5400.5S"),
    ],
)
def test_values_are_such_that_json_can_carry(
    readers: Readers, expression: str, expected: object
) -> None:
    found = readers.ask_rows(f"select {expression} from (values (1), (2)) v(x) limit 1", 1)

    assert found.rows == [[expected]]
    assert msgspec.json.decode(msgspec.json.encode(found.rows)) == found.rows


WEIGHED = [
    "i", "i / 3", "i::decimal(38, 4)", "i::hugeint * 1000000000000000000", "i % 2 = 0", "null",
    "repeat('é', i::int)", "repeat('x', i::int)::blob", "if(i % 3 = 0, 'x', null)", "uuid()",
    "date '2026-01-01' + i::int", "timestamp '2026-01-01'", "timestamptz '2026-01-01 12:00:00+08'",
    "time '12:30'", "interval (i) second", "'101'::bit", "'12345678901234567890'::bignum",
    "[i, null, i]", "[[i], [], null]", "null::int[]", "[date '2026-01-01', null]",
    "if(i % 2 = 0, [1, 2]::int[2], null)", "{'a': i, 'b': 'x'}",
    "if(i % 2 = 0, {'a': i, 'b': [i], 'c': 1}, null)", "map([i], ['x'])", "map([i], [null])",
    "if(i % 2 = 0, map(['k'], [i]), null)", "'a'::enum('a', 'bb')", "json_object('a', i)",
    "if(i % 2 = 0, union_value(a := i), union_value(b := 'xx')::union(a bigint, b varchar))",
]  # fmt: skip


@pytest.mark.parametrize("expression", WEIGHED)
def test_rows_weigh_no_more_than_their_json(expression: str) -> None:
    asked = duckdb.sql(f"select {expression} as x from range(50) t(i)").to_arrow_table()
    batch = asked.combine_chunks().to_batches()[0]

    for rows in (batch, batch.slice(7, 13)):
        written = len(msgspec.json.encode([row[0] for row in rows_of(rows)]))
        assert 0.05 * written < json_weight(rows) <= written


def test_batch_is_cut_where_its_rows_weigh_too_much() -> None:
    asked = duckdb.sql("select repeat('x', 97) as x from range(1000)").to_arrow_table()
    batch = asked.combine_chunks().to_batches()[0]

    assert [len(fitting_rows(batch, most)) for most in (0, 99, 100, 5_050, 10**6)] == [
        0,
        0,
        1,
        50,
        1000,
    ]


# --------------------------------------------------------------------------------- the file


def test_second_process_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.duckdb").write_bytes(b"this is no database, and much too long for one" * 100)

    with pytest.raises(StoreError, match=r"a\.duckdb"):
        Database(tmp_path / "a.duckdb", MEMORY)


def test_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.duckdb", MEMORY)
    database.writer.execute("insert into ledger.migrations values ('999_later', now()::timestamp)")
    database.close()

    with pytest.raises(StoreError, match="999_later"):
        Database(tmp_path / "a.duckdb", MEMORY)


def test_view_that_has_no_file_any_more_is_dropped(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.duckdb", MEMORY)
    database.writer.execute("create view left_over as select 1")
    database.close()
    database = Database(tmp_path / "a.duckdb", MEMORY)

    with pytest.raises(QuestionError, match="left_over"):
        Readers(database, lambda: NOON, 5.0).ask_rows("from left_over", 1)
    database.close()
