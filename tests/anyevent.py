"""Any event that a log may hold: every tag, with whatever its types let JSON say."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from contracts.events import event_tags

_EDGES = [2**31 - 1, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**31, 10**4000]
_NUMBERS = st.sampled_from([0, 1, 2, *_EDGES, *(-edge for edge in _EDGES)]) | st.integers()
_FLOATS = st.sampled_from([0.0, 1.5, 1e15, 1e16, 1e300, 1.7e308, -1.7e308])
_NAMES = st.sampled_from(["a", "a.1", "b", "b.1", ""])
"""Few, so that events are about the same leases and sessions."""
_TEXTS = _NAMES | st.text(st.characters(codec="utf-8"), max_size=8) | st.just("x\0y'\"\\u0000")
_DAYS = st.sampled_from(
    ["2026-01-01", "2026-02-30", "nonsense", "", "0001-01-01", "9999-12-31", "infinity"]
)
_SHIFT = timedelta(hours=14)
_MOMENTS = st.sampled_from(
    [
        datetime(2026, 1, 1, 12, tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(_SHIFT)),
        datetime.max.replace(tzinfo=timezone(-_SHIFT)),
        datetime(1, 12, 31, tzinfo=UTC),
        datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone(-_SHIFT)),
    ]
)


def anything(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Any value of a struct of the contracts, its defaults taken half of the time."""
    given: dict[str, st.SearchStrategy[Any]] = {}
    kept: dict[str, st.SearchStrategy[Any]] = {}
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        named = _DAYS if field.name == "quota_day" else _of(field.type)
        (given if field.required else kept)[field.name] = named
    return st.fixed_dictionaries(given, optional=kept).map(lambda values: kind(**values))


def _of(info: inspect.Type) -> st.SearchStrategy[Any]:
    return _MAKERS[type(info)](info)


def _whole(info: Any) -> st.SearchStrategy[Any]:
    return _NUMBERS if info.ge is None else _NUMBERS.map(abs)


def _enumerated(info: Any) -> st.SearchStrategy[Enum]:
    return st.sampled_from(list(info.cls))


def _either(info: Any) -> st.SearchStrategy[Any]:
    return st.one_of([_of(one) for one in info.types])


def _mapping(info: Any) -> st.SearchStrategy[Any]:
    return st.dictionaries(_of(info.key_type), _of(info.value_type), max_size=2)


_MAKERS: dict[type[inspect.Type], Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.StrType: lambda _: _TEXTS,
    inspect.IntType: _whole,
    inspect.FloatType: lambda _: _FLOATS,
    inspect.BoolType: lambda _: st.booleans(),
    inspect.NoneType: lambda _: st.none(),
    inspect.DateTimeType: lambda _: _MOMENTS,
    inspect.EnumType: _enumerated,
    inspect.UnionType: _either,
    inspect.ListType: lambda info: st.lists(_of(info.item_type), max_size=2),
    inspect.DictType: _mapping,
    inspect.StructType: lambda info: anything(info.cls),
    inspect.CustomType: lambda info: _TEXTS,
}

ANY_EVENT = st.one_of([anything(kind) for kind in event_tags().values()])
ANY_MOMENT = _MOMENTS
