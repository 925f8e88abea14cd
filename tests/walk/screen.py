"""What a terminal makes of what is printed on it: lines, without colours."""

import re

_TOKEN = re.compile(r"\x1b\[(?P<arguments>[?\d;]*)(?P<order>[A-Za-z])|[\r\n]|[^\x1b\r\n]+")
_IGNORED = {"m": "colours", "h": "modes, such as a hidden cursor", "l": "their end"}
_OTHER_SCREEN = "?1049"


class Screen:
    """Lines as they were printed: whoever shows them folds those that are longer than it is wide.

    Raises `AssertionError` at an order that it does not know: nothing may be lost by guessing.
    """

    def __init__(self) -> None:
        """Show nothing."""
        self.lines = [""]
        self._row = 0
        self._column = 0
        self._covered: tuple[list[str], int, int] | None = None
        """What lies below a page that has the whole terminal."""

    def feed(self, text: str) -> None:
        """Take what is printed."""
        for token in _TOKEN.finditer(text):
            if token["order"]:
                self._obey(token["order"], token["arguments"])
            elif token[0] == "\r":
                self._column = 0
            elif token[0] == "\n":
                self._move_to(self._row + 1)
            else:
                self._write(token[0])

    def take_lines(self) -> list[str]:
        """What it shows by now, which it shows no more."""
        lines = [line.rstrip() for line in self.lines]
        self.lines, self._row = [""], 0
        while lines and not lines[-1]:
            lines.pop()
        while lines and not lines[0]:
            lines.pop(0)
        return lines

    def _write(self, text: str) -> None:
        line = self.lines[self._row].ljust(self._column)
        end = self._column + len(text)
        self.lines[self._row] = line[: self._column] + text + line[end:]
        self._column = end

    def _move_to(self, row: int) -> None:
        self._row = max(0, row)
        self.lines.extend("" for _ in range(len(self.lines), self._row + 1))

    def _obey(self, order: str, arguments: str) -> None:
        """Do what a control sequence says."""
        if order == "K":
            here = self.lines[self._row]
            self.lines[self._row] = "" if arguments == "2" else here[: self._column]
        elif order == "A":
            self._move_to(self._row - int(arguments or 1))
        elif order == "H":
            self._row = self._column = 0
        elif order == "J":
            del self.lines[self._row + 1 :]
        elif arguments == _OTHER_SCREEN:
            self._cover(covered=order == "h")
        else:
            assert order in _IGNORED, f"a terminal's order: {arguments}{order}"

    def _cover(self, *, covered: bool) -> None:
        if covered:
            self._covered = self.lines, self._row, self._column
            self.lines, self._row, self._column = [""], 0, 0
        elif self._covered is not None:
            self.lines, self._row, self._column = self._covered
            self._covered = None
