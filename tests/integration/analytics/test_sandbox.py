"""Strangers' SQL: what it may not do, may not take, and what it is asked of."""

import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.analytics.domain.fold import RowFold
from services.analytics.folding import fold_batch
from services.analytics.reading.statement import QuestionError
from services.analytics.sandbox import box as box_module
from services.analytics.sandbox.box import Sandbox, UnavailableError
from services.analytics.store import Database, LedgerWriter, Readers, database
from tests import ROOT
from tests.integration.analytics.parts import ESCAPES, SQL_MEMORY, history, sandbox, stored
from tests.integration.analytics.sandboxed import ENDLESS
from tests.unit.analytics.builders import Story, session, used

BYTES = 8_000_000


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    with stored(tmp_path_factory.mktemp("asked") / "a.duckdb", history()) as opened:
        yield opened


@pytest.fixture(scope="module")
def box(readers: Readers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox(readers._database, tmp_path_factory.mktemp("box") / "sql") as made:
        yield made


# ------------------------------------------------------------------------- what it may not do


@pytest.mark.parametrize("query", ESCAPES)
def test_child_refuses_all_but_one_select(box: Sandbox, tmp_path: Path, query: str) -> None:
    before = box.ask_statement("select count(*), sum(units_used) from leases", 10, BYTES)

    with pytest.raises(QuestionError):
        box.ask_statement(query.replace("{folder}", str(tmp_path)), 10, BYTES)

    assert box.ask_statement("select count(*), sum(units_used) from leases", 10, BYTES) == before
    assert list(tmp_path.iterdir()) == []


def test_child_carries_no_log_no_secret_and_no_network() -> None:
    look = (
        "import sys, services.analytics.sandbox.child\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
        "print(*(name for name in sys.modules if name.startswith('services.analytics.')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True
    )

    roots, ours = (line.split() for line in found.stdout.splitlines())
    strangers = {"contracts", "runtime", "nats", "faststream", "cryptography", "httpx", "structlog"}

    assert strangers.isdisjoint(roots)
    assert {name.split(".")[2] for name in ours} == {"reading", "sandbox"}


def test_child_has_nothing_of_ours_in_its_environment(
    readers: Readers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_SECRET_KEY", "not for strangers")

    with sandbox(readers._database, tmp_path / "sql") as box:
        box.ask_statement("select 1", 1, BYTES)
        assert box._child is not None
        environment = Path(f"/proc/{box._child.pid}/environ").read_bytes()

    assert b"PATH=" in environment
    assert b"TIDEGATE" not in environment


def test_child_has_two_threads_and_the_quota_day(box: Sandbox) -> None:
    found = box.ask_statement(
        "select current_setting('threads'), current_setting('TimeZone'),"
        " current_date = (select day from today), today() = (select day from today)",
        1,
        BYTES,
    )

    assert found.rows == [[2, "UTC", True, True]]


# ------------------------------------------------------------------------ what it may not take

GREEDY = {
    "a list": "select len(range(1000000000))",
    "a text": "select repeat('x', 4000000000)",
    "texts": "select length(lpad('x', 400000000 + i::int, 'y')) from range(4) t(i)",
    "matches": "select len(regexp_extract_all(repeat('ab', 9000000 + i), '(a|b)'))"
    " from range(4) t(i)",
    "parts": "select len(string_split(repeat('a,', 100000000), ','))",
    "aggregates": "select list(range) from range(500000000)",
    "wide rows": "select " + ", ".join(["repeat('x', 1000000)"] * 1500),
    "long rows": "select repeat('x', 10000000) from range(10000)",
    "a matrix": "select damerau_levenshtein(repeat('a', 100000), repeat('b', 100000))",
}


@pytest.mark.parametrize("query", GREEDY.values(), ids=GREEDY)
def test_greedy_question_is_told_the_bound_and_the_next_one_is_answered(
    box: Sandbox, query: str
) -> None:
    with pytest.raises(
        QuestionError, match=r"of memory: .* less than 1\.5 GB \(\[analytics\] sql_memory\)"
    ):
        box.ask_statement(query, 10, BYTES)

    assert box.ask_statement("select 42", 1, BYTES).rows == [[42]]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < SQL_MEMORY


SLOW = {
    "four comparisons": "select levenshtein(repeat('a', 200000 + i), repeat('b', 200000))"
    " from range(4) t(i)",
    "a comparison while it is planned": ENDLESS,
    "a great number": "select repeat('9', 1000000)::bignum::varchar",
    "a product": "select count(*) from range(10000000000) a, range(10000000) b",
    "rows": "select range from range(100000000000) where range % 1000000007 = 0",
    "a recursion": "with recursive r as (select 1 i union all select i + 1 from r)"
    " select count(*) from r",
}


@pytest.mark.parametrize("query", SLOW.values(), ids=SLOW)
def test_slow_question_is_killed_at_the_deadline_and_the_next_one_is_answered(
    readers: Readers, tmp_path: Path, query: str
) -> None:
    with sandbox(readers._database, tmp_path / "sql", timeout_s=0.6) as box:
        box.ask_statement("select 1", 1, BYTES)
        assert box._child is not None
        pid = box._child.pid

        with pytest.raises(
            QuestionError, match=r"interrupted after 0\.6 s: .* \(\[analytics\] sql_timeout\)"
        ):
            box.ask_statement(query, 10_000, BYTES)

        assert not Path(f"/proc/{pid}").exists()
        assert box.ask_statement("select 42", 1, BYTES).rows == [[42]]


def test_rows_and_bytes_are_bounded_where_they_are_made(box: Sandbox) -> None:
    whole = box.ask_statement("from range(1500)", 1500, BYTES)
    fewer = box.ask_statement("from range(5000)", 1500, BYTES)
    lighter = box.ask_statement("select repeat('x', 997) from range(5000)", 5000, 2_000_000)
    none = box.ask_statement("select repeat('x', 9000000) from range(2)", 10, BYTES)

    assert (len(whole.rows), whole.truncated) == (1500, False)
    assert (len(fewer.rows), fewer.truncated) == (1500, True)
    assert (len(lighter.rows), lighter.truncated) == (1996, True)
    assert (none.columns, none.rows, none.truncated) == (
        ["repeat('x', 9000000)"],
        [],
        True,
    )


def test_names_of_a_struct_weigh_in_each_of_its_rows_and_elements(box: Sandbox) -> None:
    name = "k" * 9000

    rows = box.ask_statement(f"select {{'{name}': true}} from range(10000)", 10_000, 2_000_000)
    (element,) = box.ask_statement(
        f"select list_transform(range(100), lambda x: {{'{name}': true}})", 10, 2_000_000
    ).rows
    none = box.ask_statement(
        f"select list_transform(range(1000), lambda x: {{'{name}': true}})", 10, 2_000_000
    )

    assert (len(rows.rows), rows.truncated) == (221, True)
    assert len(element[0]) == 100
    assert (none.rows, none.truncated) == ([], True)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (f"{2**128 - 1}::uhugeint", str(2**128 - 1)),
        (f"'-{2**127}'::hugeint", str(-(2**127))),
        (f"{{'a': [{2**128 - 1}::uhugeint]}}", {"a": [str(2**128 - 1)]}),
        ("map(['01'::bit], [union_value(u := 7::uhugeint)])", [["01", "7"]]),
        ("array_value('0101'::bit)", ["0101"]),
        ("row(1, '01'::bit)", "(1, 01)"),
        (f"'{'9' * 60}'::bignum", "9" * 60),
        ("'24:00:00'::time", "24:00:00"),
        ("'12:00:00+15:59'::timetz", "12:00:00+15:59"),
        ("'12:00:00.123456789'::time_ns", "12:00:00.123456789"),
        ("'2020-01-01 00:00:00.123456789'::timestamp_ns", "2020-01-01T00:00:00.123456789Z"),
        ("'infinity'::timestamptz", "infinity"),
        ("'-infinity'::timestamp", "-infinity"),
        ("'infinity'::date", "infinity"),
        ("'99999999999999999999.999999'::decimal(38, 6)", "99999999999999999999.999999"),
        ("1.25::decimal(38, 6)", 1.25),
        ("interval '14 months -3 days 9000000.000001 seconds'", "P14M-3DT9000000.000001S"),
        ("[interval 1 hour, null]", ["P0M0DT3600S", None]),
        ("map {'a': {'b': interval 1 hour}}", [["a", {"b": "P0M0DT3600S"}]]),
        ("union_value(k := interval 1 hour)", "P0M0DT3600S"),
        ("{'it''s': interval 1 hour, 'b': '1'::uhugeint}", {"it's": "P0M0DT3600S", "b": "1"}),
        ("null::interval[]", None),
        ("['infinity'::timestamp, null]", ["infinity", None]),
        ("{'a': '-infinity'::date, 'b': [1]}", {"a": "-infinity", "b": [1]}),
        ("map {'a': 'infinity'::timestamptz}", [["a", "infinity"]]),
        ("union_value(k := 'infinity'::timestamp)", "infinity"),
        ("array_value('infinity'::timestamp)", ["infinity"]),
        ("'POINT (1 2)'::geometry", "POINT (1 2)"),
        ("1::variant", "1"),
        ("'nan'::double", None),
        ("null::uhugeint", None),
    ],
)
def test_values_are_told_as_duckdb_means_them(box: Sandbox, value: str, told: object) -> None:
    found = box.ask_statement(f'select {value} as "a""b", 1 as one order by one', 10, BYTES)

    assert (found.columns, found.rows) == (['a"b', "one"], [[told, 1]])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak")
def test_millions_of_decimals_are_no_objects_of_this_process(box: Sandbox) -> None:
    box.ask_statement("select 1", 1, BYTES)
    query = "select list((i % 10)::decimal(3, 0)) from range(1000000) t(i)"
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()

    found = Sandbox.ask_statement(box, query, 1, 8_388_608)

    assert len(found.rows[0]) == 2_000_003
    assert peak() - before < 100_000_000, "a million objects of Decimal are 112 MB"


def peak() -> int:
    """The greatest memory of this process, in bytes, since it was forgotten."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.parametrize(
    ("name", "guess"), [("nothing", ""), ("lease", ' Did you mean "leases"?')], ids=["far", "near"]
)
def test_table_that_there_is_not_is_told_with_how_to_name_those_there_are(
    box: Sandbox, name: str, guess: str
) -> None:
    with pytest.raises(QuestionError) as error:
        box.ask_statement(f"select * from {name}", 10, BYTES)

    what = f"Catalog Error: Table with name {name} does not exist!{guess}"
    assert str(error.value) == f"{what} `show tables` names those there are."
    assert box.ask_statement("show tables", 10, BYTES).rows


def test_fault_of_any_length_is_told_in_short(box: Sandbox) -> None:
    with pytest.raises(QuestionError) as told:
        box.ask_statement("select error(repeat('x', 9000000))", 10, BYTES)

    assert len(str(told.value)) <= 2000


@pytest.mark.parametrize(
    "value",
    [
        "date '12000-01-01'",
        "timestamp '12000-01-01'",
        "['12000-01-01'::date]",
        "interval 9999999 hours",
        "[interval 9999999 hours]",
        "[null, [interval '-9999999 hours']]",
        "[null, [null, interval 9999999 hours, interval 1 hour]]",
        "array_value(interval 9999999 hours)",
        "{'a': 1, 'it''s': interval 9999999 hours}",
        "{'a': {'b': [interval 9999999 hours]}}",
        "map {'a': interval 9999999 hours}",
        "map {interval 9999999 hours: 1}",
        "map {'a': [{'b': map {1: interval 9999999 hours}}]}",
        "union_value(k := interval 9999999 hours)",
        "row(1, interval 9999999 hours)",
        "[{'a': interval 9999999 hours, 'b': 1::uhugeint}]",
    ],
)
def test_value_that_cannot_be_told_is_a_matter_of_the_question(box: Sandbox, value: str) -> None:
    with pytest.raises(QuestionError, match="cast it to text"):
        box.ask_statement(f"select {value}", 10, BYTES)

    assert box.ask_statement(f"select ({value})::varchar is not null", 10, BYTES).rows == [[True]]


@pytest.mark.parametrize("depth", [400, 900, 1500])
def test_value_that_is_too_deep_is_refused_in_words(box: Sandbox, depth: int) -> None:
    with pytest.raises(QuestionError, match=r"at most 60 deep|depth") as told:
        box.ask_statement(f"select {'[' * depth}1{']' * depth}", 10, BYTES)

    assert "Recursion" not in str(told.value)
    assert box.ask_statement("select [[[[1]]]]", 10, BYTES).rows == [[[[[[1]]]]]]


def test_child_that_something_else_kills_is_told_and_replaced(
    readers: Readers, tmp_path: Path
) -> None:
    with sandbox(readers._database, tmp_path / "sql") as box:
        box.ask_statement("select 1", 1, BYTES)
        assert box._child is not None
        killer = threading.Timer(0.3, box._child.kill)
        killer.start()

        with pytest.raises(QuestionError, match="its process ended by SIGKILL"):
            box.ask_statement(ENDLESS, 1, BYTES)

        killer.join()
        box.ask_statement("select 1", 1, BYTES)
        box._child.kill()
        box._child._process.wait()

        assert box.ask_statement("select 42", 1, BYTES).rows == [[42]]


def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.analytics.sandboxed", str(tmp_path)]
    parent = subprocess.Popen(command, cwd=ROOT)
    pid = tmp_path / "pid"
    while not (pid.exists() and pid.read_text().endswith("\n")):
        assert parent.poll() is None
    child = Path(f"/proc/{pid.read_text().strip()}")
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    while child.exists() and "\nState:\tZ" not in (child / "status").read_text():
        os.sched_yield()


def test_too_little_memory_to_begin_with_is_told(readers: Readers, tmp_path: Path) -> None:
    with sandbox(readers._database, tmp_path / "sql", memory_bytes=250_000_000) as box:
        with pytest.raises(
            UnavailableError, match=r"cannot be opened: .*\[analytics\] sql_memory = 0\.25 GB"
        ):
            box.ask_statement("select 1", 1, BYTES)
        box.bounds = box_module.SqlBounds(30.0, SQL_MEMORY)

        assert box.ask_statement("select 42", 1, BYTES).rows == [[42]]


# ------------------------------------------------------------------------- what it is asked of


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Growing:
    """A file that grows by a lease at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database(path, 500_000_000)
        self._ledger = LedgerWriter(self.database)
        self._ledger.begin_anew("a stream")
        self._fold, self._story, self._told = RowFold(), Story().tell(session()), 0
        self.leases: dict[int, int] = {0: 0}
        """How many there are at which sequence."""

    def grow(self) -> None:
        """Put another lease into log and file."""
        number = len(self.leases)
        self._story.lease(f"r{number}", used(f"r{number}"))
        batch = fold_batch(self._fold, self._story.stored[self._told :], lambda *_: None)
        self._told = len(self._story.stored)
        self.leases[batch.sequence] = number
        self._ledger.write_batch(batch)


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Growing]:
    made = Growing(tmp_path / "a.duckdb")
    yield made
    made.database.close()


COUNT = "select count(*), coalesce(sum(units_used), 0)::int from leases"


def test_copy_is_made_anew_when_it_is_behind_and_old_enough(
    growing: Growing, tmp_path: Path
) -> None:
    hands = Hands()
    with sandbox(growing.database, tmp_path / "sql", monotonic=hands) as box:

        def asked(after_s: float) -> int:
            hands.now += after_s
            return int(box.ask_statement(COUNT, 1, BYTES).rows[0][0])

        growing.grow()
        assert asked(0.0) == 1
        growing.grow()
        assert asked(2.0) == 1, "behind, but not older than two seconds"
        assert asked(0.1) == 2
        copy = box._copy
        assert asked(1000.0) == 2
        assert box._copy is copy, "old, but not behind"
        assert copy is not None
        box._copy = box_module._Copy(copy.commits, hands.now, took_s=3.0)
        growing.grow()
        assert asked(30.0) == 2, "behind, but not older than ten times its copying"
        assert asked(0.1) == 3


def test_copies_taken_under_load_have_whole_commits_and_their_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread commits without a pause; a copy takes so long that a commit amid it shows."""
    monkeypatch.setattr(database, "_CHECKPOINTS", "set checkpoint_threshold = '1KB'")
    growing = Growing(tmp_path / "a.duckdb")
    hands, ended = Hands(), threading.Event()
    copy_apart, commits_meanwhile = database._copy_apart, set()

    def copied(source: Path, target: Path) -> None:
        before = growing.database.commits
        copy_apart(source, target)
        time.sleep(0.02)
        commits_meanwhile.add(growing.database.commits - before)

    def load() -> None:
        while not ended.is_set():
            growing.grow()

    monkeypatch.setattr(database, "_copy_apart", copied)
    writer = threading.Thread(target=load)
    writer.start()
    found = []
    try:
        with sandbox(growing.database, tmp_path / "sql", monotonic=hands) as box:
            while len({one.sequence for one in found}) < 15:
                hands.now += 1000.0
                found.append(box.ask_statement(COUNT, 1, BYTES))
    finally:
        ended.set()
        writer.join()
        growing.database.close()

    assert commits_meanwhile == {0}
    assert [one.rows[0] for one in found] == [[growing.leases[one.sequence]] * 2 for one in found]


def test_no_other_process_opens_the_file_after_it_was_copied(
    growing: Growing, tmp_path: Path
) -> None:
    with sandbox(growing.database, tmp_path / "sql") as box:
        box.ask_statement(COUNT, 1, BYTES)
        second = subprocess.run(
            [sys.executable, "-c", "import duckdb, sys; duckdb.connect(sys.argv[1])", growing.path],
            capture_output=True,
            text=True,
            check=False,
        )

    assert "Could not set lock on file" in second.stderr


def test_copy_leaves_room_on_the_disk_or_is_not_made(
    growing: Growing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sandbox(growing.database, tmp_path / "sql") as box:
        with monkeypatch.context() as full:
            full.setattr(box_module, "_FREE_MIN", 10**18)

            with pytest.raises(UnavailableError, match=r"needs 1000000000\.00 GB of disk; .* free"):
                box.ask_statement("select 1", 1, BYTES)
        assert not (tmp_path / "sql" / "copy.duckdb").exists()

        assert box.ask_statement("select 42", 1, BYTES).rows == [[42]]


def test_file_that_cannot_be_copied_is_told(growing: Growing, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        sandbox(growing.database, tmp_path / "file" / "sql") as box,
        pytest.raises(UnavailableError, match=r"cannot be started: .*Not a directory"),
    ):
        box.ask_statement("select 1", 1, BYTES)


def test_copy_and_child_go_when_nobody_asks(growing: Growing, tmp_path: Path) -> None:
    hands, folder = Hands(), tmp_path / "sql"
    with sandbox(growing.database, folder, monotonic=hands) as box:
        box.ask_statement("select 1", 1, BYTES)
        assert box._child is not None
        child = Path(f"/proc/{box._child.pid}")
        hands.now += 299.0
        box.release_idle()
        assert child.exists()
        assert (folder / "copy.duckdb").exists()
        hands.now += 2.0
        box.release_idle()
        assert not child.exists()
        assert not folder.exists()

        assert box.ask_statement("select 42", 1, BYTES).rows == [[42]]
    assert not folder.exists()


def test_closing_breaks_off_what_is_asked(growing: Growing, tmp_path: Path) -> None:
    with sandbox(growing.database, tmp_path / "sql", timeout_s=600.0) as box:
        box.ask_statement("select 1", 1, BYTES)
        closer = threading.Timer(0.3, box.close)
        closer.start()
        with pytest.raises(UnavailableError, match="analytics is stopping"):
            box.ask_statement(ENDLESS, 1, BYTES)
        closer.join()
        with pytest.raises(UnavailableError, match="analytics is stopping"):
            box.ask_statement("select 1", 1, BYTES)


def test_what_an_earlier_life_left_is_removed(growing: Growing, tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "copy.duckdb").write_bytes(b"old")

    with sandbox(growing.database, tmp_path / "sql"):
        assert not (tmp_path / "sql").exists()
