"""What judges the recorded walk, judged: the screen, the page, and what is left out of it."""

import pytest

from tests.walk.page import PAGE, Block, page_parts, page_text
from tests.walk.screen import Screen
from tests.walk.terminal import COLUMNS
from tests.walk.volatile import IdNames, as_folded, what_is_fixed

TEXT = PAGE.read_text()
STEPS = [step for part in page_parts(TEXT) if isinstance(part, Block) for step in part.steps]


def shown_of(text: str) -> list[str]:
    screen = Screen()
    screen.feed(text)
    return screen.take_lines()


def test_screen_has_what_a_terminal_would_show() -> None:
    colours = shown_of("\x1b[1;32mup\x1b[0m\r\n")
    spinner = shown_of("\x1b[?25l- starting\r\x1b[2K| starting\r\n\x1b[?25h\r\x1b[1A\x1b[2Kready")
    over = shown_of("abcdef\rxy")
    page = shown_of("before\r\n\x1b[?1049h\x1b[Hall of it\x1b[?1049lafter")

    assert (colours, spinner, over) == (["up"], ["ready"], ["xycdef"])
    assert page == ["before", "after"]


def test_screen_refuses_an_order_that_it_does_not_know() -> None:
    with pytest.raises(AssertionError, match="a terminal's order: 3C"):
        shown_of("\x1b[3C")


def test_page_is_put_together_as_it_was() -> None:
    assert page_text(page_parts(TEXT)) == TEXT


def test_page_walks_through_a_whole_day() -> None:
    verbs = {step.typed[0].split()[1] for step in STEPS if step.command.startswith("tidegate ")}

    assert verbs >= {"init", "up", "status", "doctor", "explain", "sql", "audit", "backup"}
    assert [step.typed[0].split()[0] for step in STEPS if step.typed and not step.shown] == [
        "install",
        "printf",
        "cat",
    ]


def test_every_line_of_a_block_fits_the_terminal() -> None:
    lines = [line for step in STEPS for line in [*(f"$ {one}" for one in step.typed), *step.shown]]

    assert [line for line in lines if len(line) > COLUMNS] == []


@pytest.mark.parametrize(
    ("one_day", "another"),
    [
        ("03:56:06  200  image     34 ms  server-1", "17:02:41  200  image    118 ms  server-2"),
        ("image 0 of 4; resets in 20 h", "image 0 of 4; resets in 35 min"),
        ("true up to sequence 19 of the log", "true up to sequence 20 of the log"),
    ],
)
def test_what_differs_between_days_is_left_out(one_day: str, another: str) -> None:
    assert what_is_fixed([one_day]) == what_is_fixed([another])


@pytest.mark.parametrize(
    ("wanted", "otherwise"),
    [
        ("image 0 of 4; resets in 20 h", "image 1 of 4; resets in 20 h"),
        ("200", "429"),
        ("no violation", "1 violation"),
        ("servers      2 up", "servers      2 down"),
        ("exit 0", "exit 1"),
    ],
)
def test_what_is_fixed_is_compared(wanted: str, otherwise: str) -> None:
    assert what_is_fixed([wanted]) != what_is_fixed([otherwise])


def test_ids_have_names_that_stay_and_lead_back() -> None:
    names = IdNames([("/tmp/abcdefgh", "/srv/tidegate")])
    real = f"/tmp/abcdefgh ses_{'a' * 24}"

    named = names.as_on_page(real)

    assert (len(named), named[:17]) == (len(real), "/srv/tidegate ses")
    assert names.as_real(named) == real


def test_lines_are_folded_as_a_terminal_does() -> None:
    assert as_folded("abcde", 2) == ["ab", "cd", "e"]
    assert as_folded("", 2) == [""]
