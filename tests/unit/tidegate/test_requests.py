"""The list of clients' calls: what one looks for is there however narrow the terminal is."""

from tidegate.console.tables import TableShape, lay_out
from tidegate.ledger.requests import _COLUMNS

REQUEST = {
    "request_id": "0193b2c4-6b86-7b27-83ff-34fce19d6b80",
    "at": "2026-01-31T12:00:00Z",
    "status": 429,
    "code": "pool_quota_exhausted",
    "server_id": "server-1",
    "latency_ms": 412.3,
    "service_type": "image",
    "key_name": "a shop with a long name",
}


def test_answer_server_and_latency_have_room_at_80_columns_and_the_id_at_40() -> None:
    shown = [
        column.text(REQUEST)
        if column.text and column.name != "at"
        else str(REQUEST.get(column.name, ""))
        for column in _COLUMNS
    ]
    shown[[column.name for column in _COLUMNS].index("server")] = "server-1"
    names = [column.name for column in _COLUMNS]
    shape = TableShape(kept=(0,), one_line=True)

    wide, narrow = (lay_out(names, [shown], width, shape) for width in (80, 40))

    assert [line.split() for line in wide.lines] == [
        [REQUEST["request_id"], "429", "pool_quota_exhausted", "server-1", "412", "ms"]
    ]
    assert narrow.lines == [REQUEST["request_id"]]
