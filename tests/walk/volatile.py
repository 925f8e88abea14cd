"""What is another each time: ids, which get names that stay, and what a comparison leaves out."""

import hashlib
import re
from collections.abc import Sequence

_IDS = re.compile(
    r"ses_[0-9a-f]{24}|key_[0-9a-f]{16}|key_[0-9a-f]{12}|gw-\d+-[0-9a-f]{8}|sk-[\w-]{43}"
    r"|#in=[\w.-]+|[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_LEFT_OUT = (
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "INSTANT"),
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"\b\d\d:\d\d(:\d\d)?\b", "CLOCK"),
    (r"\w{3}, \d\d \w{3} \d{4}", "DATE"),
    (r"\bnow\b|[\d.,]+ (ms|s|min|h|d) ago", "AGO"),
    (r"[\d,]+ of [\d,]+ bytes|; \d+ is last|\d+ follow the log", "SO MANY"),
    (r"its end as far as known|\d+ envelopes? before its end", "END"),
    (r"[\d.,]+ (ms|s|min|h|GB|MB|bytes|bytes/s|%)(?!\w)", "SOME"),
    (r"\d+%", "SOME"),
    (r"dur=[\d.]+", "SOME"),
    (r'"created":\d+', "CREATED"),
    (r"\bserver-\d", "A SERVER"),
    (r":900[12]\b", ":PORT"),
    (r"\bses_[0-9a-f]{24}", "A SESSION"),
    (r"[0-9a-f]{16,}", "DIGEST"),
    (r"process \d+|gw-\d+|epoch \d+", "WHICH"),
    (r"\b\d+/100( +\d+)?( +SOME)?", "LOAD"),
    (r"image=1|last_used", ""),
    (r"sequence \d+|\d+ envelopes?|\d+ messages?|\d+ events|\(\d+ events", "SO MANY"),
)


class IdNames:
    """Names that stay for the ids of one day, by the order in which they appear."""

    def __init__(self, replaced: Sequence[tuple[str, str]]) -> None:
        """Begin a day; `replaced` is what else is called otherwise, real and on the page."""
        self._replaced = replaced
        self._names: dict[str, str] = {}

    def as_on_page(self, text: str) -> str:
        """Put what the page has in the place of what was real."""
        for real, named in self._replaced:
            text = text.replace(real, named)
        return _IDS.sub(lambda match: self._name(match[0]), text)

    def as_real(self, text: str) -> str:
        """Put what is real today in the place of what the page has."""
        for real, named in [*self._replaced, *self._names.items()]:
            text = text.replace(named, real)
        return text

    def _name(self, real: str) -> str:
        if real not in self._names:
            self._names[real] = _id_like(real, len(self._names))
        return self._names[real]


def _id_like(real: str, number: int) -> str:
    """Make up an id of the same form and length."""
    digits = hashlib.sha256(str(number).encode()).hexdigest()
    if real.startswith(("sk-", "#in=")):
        return real[:3] + ("=" if real[3] == "=" else "") + ("example" * 99)[: len(real) - 3]
    if real.startswith(("ses_", "key_")):
        return real[:4] + digits[: len(real) - 4]
    if real.startswith("gw-"):
        return f"gw-100-{digits[:8]}"
    return f"0193b2c4-{digits[:4]}-7{digits[4:7]}-8{digits[7:10]}-{digits[10:22]}"


def what_is_fixed(lines: Sequence[str]) -> list[str]:
    """The words that are the same each day, however they are broken into lines."""
    text = " ".join(" ".join(lines).split())
    for pattern, instead in _LEFT_OUT:
        text = re.sub(pattern, instead, text)
    return text.split()


def as_folded(line: str, columns: int) -> list[str]:
    """Fold a line as a terminal does."""
    return [line[at : at + columns] for at in range(0, len(line), columns)] or [""]
