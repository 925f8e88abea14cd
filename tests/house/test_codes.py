"""Codes are types, which mypy knows; here, that each is what its table and its page say."""

import ast
import re
from typing import get_args

from contracts.base import Failed, FailedCode
from contracts.pool import Refusal
from runtime.process.findings import CURES, FindingCode
from services.gateway.domain.errors import KINDS, ErrorCode, ErrorType
from tests.house.code import FLOORS, modules, nodes

CODES = {*get_args(ErrorCode), *get_args(FailedCode), *get_args(FindingCode), *Refusal}
NEVER_SENT = {"bad_reply"}
"""Said to itself by whoever cannot read an answer: no service says it to another."""


def test_every_error_code_has_its_row_and_every_row_its_code() -> None:
    assert list(KINDS) == list(get_args(ErrorCode))
    assert {kind.type for kind in KINDS.values()} == set(get_args(ErrorType))


def test_every_finding_has_its_cure_and_every_cure_its_finding() -> None:
    assert list(CURES) == list(get_args(FindingCode))


def test_codes_of_a_failed_command_are_those_that_its_page_names() -> None:
    named = set(re.findall(r"`(\w+)`", Failed.__doc__ or "")) - {"code", "message"}

    assert named == set(get_args(FailedCode)) - NEVER_SENT


def test_code_of_another_version_can_be_read() -> None:
    assert Failed.__annotations__["code"] is str


def test_nothing_is_compared_with_a_code_that_nobody_makes() -> None:
    """What comes over the wire is a `str`, so mypy does not see what it is compared with."""
    compared = {
        (name, constant.value)
        for name in modules(*FLOORS)
        for node in nodes(name)
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Attribute)
        if node.left.attr in {"code", "error_code"}
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }

    assert len(compared) > 5
    assert {(name, code) for name, code in compared if code not in CODES} == set()
