"""Tables on terminals of any width: no word is broken, and what has no room is named."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tidegate.console.tables import TableShape, lay_out, wrapped

ID = "ses_ec25afe1c098a50591f820e3"
URL = "http://127.0.0.1:29267/prefix"


def test_table_is_as_wide_as_it_is_where_nothing_has_to_fit() -> None:
    made = lay_out(["id", "url"], [[ID, URL], ["x", ""]], None)

    assert made.head == [f"id{' ' * 28}url"]
    assert made.lines == [f"{ID}  {URL}", "x"]
    assert made.left_out == []


def test_cell_of_several_words_goes_on_below() -> None:
    rows = [[ID, "image=1 video=0 avatar=0", "up"], ["x", "", "down"]]
    made = lay_out(["id", "used", "health"], rows, 46)

    assert made.lines == [
        f"{ID}  image=1   up",
        f"{' ' * 30}video=0",
        f"{' ' * 30}avatar=0",
        f"x{' ' * 39}down",
    ]
    assert made.left_out == []


def test_column_without_room_is_left_out_and_the_next_that_has_it_is_not() -> None:
    made = lay_out(["id", "url", "health", "weight"], [[ID, URL, "up", "1"]], 40)

    assert made.lines == [f"{ID}  up"]
    assert made.left_out == ["url", "weight"]


def test_first_column_is_whole_on_the_narrowest_terminal() -> None:
    made = lay_out(["id", "url"], [[ID, URL]], 1)

    assert (made.head, made.lines, made.left_out) == (["id"], [ID], ["url"])


def test_columns_that_are_kept_go_on_beyond_the_edge() -> None:
    made = lay_out(["name", "value"], [["hash", "f" * 64], ["note", "a b"]], 12, TableShape((0, 1)))

    assert made.lines == [f"hash  {'f' * 64}", "note  a b"]
    assert made.left_out == []


def test_script_without_blanks_goes_on_below_too() -> None:
    made = lay_out(["code", "message"], [["1", "积分不足、请充值后再试"]], 18)

    assert made.lines == ["1     积分不足、请", "      充值后再试"]


def test_room_goes_to_those_that_want_the_least() -> None:
    made = lay_out(["a", "b", "c"], [["x", "one two", "one two three four five six"]], 25)

    assert made.lines == ["x  one two  one two three", f"{' ' * 12}four five six"]


def test_numbers_stand_under_each_other_by_their_last_digit() -> None:
    made = lay_out(["id", "units"], [["a", "5"], ["b", "1200"]], None, TableShape(right=(1,)))

    assert [*made.head, *made.lines] == ["id  units", "a       5", "b    1200"]


def test_row_of_a_list_is_one_line_and_what_has_no_room_is_left_out() -> None:
    shape = TableShape(one_line=True)
    made = lay_out(["id", "models", "n"], [[ID, "one two three", "1"]], 40, shape)

    assert (made.lines, made.left_out) == ([f"{ID}  1"], ["models"])


def test_of_a_text_that_may_be_short_the_beginning_is_shown() -> None:
    shape = TableShape(short=(1,), one_line=True)
    reason = "即梦 said that the account is gone, and who knows"

    made = lay_out(["id", "reason", "n"], [["a", reason, "1"], ["b", "", "2"]], 31, shape)

    assert made.lines == ["a   即梦 said that the acco…  1", f"b   {' ' * 24}  2"]
    assert lay_out(["id", "reason"], [["a", reason]], None, shape).lines == [f"a   {reason}"]


def test_sentences_are_broken_between_words_and_keep_their_lines() -> None:
    assert wrapped(f"one two\n\nthree {ID}", 9) == f"one two\n\nthree\n{ID}"


words = st.text("ab積=-/.: ", max_size=40)
tables = st.integers(1, 5).flatmap(
    lambda count: st.tuples(
        st.lists(words, min_size=count, max_size=count),
        st.lists(st.lists(words, min_size=count, max_size=count), min_size=1, max_size=4),
    )
)


@given(tables, st.integers(1, 120))
def test_lines_fit_and_words_stay_whole(
    table: tuple[list[str], list[list[str]]], width: int
) -> None:
    columns, rows = table
    made = lay_out(columns, rows, width)
    there = [number for number in range(len(columns)) if columns[number] not in made.left_out]

    told = " ".join([*made.head, *made.lines]).replace(" ", "")

    for number in there[:1]:
        for row in rows:
            for word in row[number].replace("積", " ").split():
                assert word in told
    longest = max(cell_len(word) for row in (columns, *rows) for word in row[0].split(" "))
    assert max(map(cell_len, [*made.head, *made.lines])) <= max(width, longest)
