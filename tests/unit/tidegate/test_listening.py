"""On which addresses this machine listens, by the tables of its kernel."""

import socket

from tidegate.probing.listening import listening_addresses, table_addresses

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
V4 = HEAD + (
    "   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
    "   1: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
    "   2: 0700000A:1F40 0100007F:9681 01 00000000:00000000 00:00000000 00000000     0\n"
    "   3: nonsense\n"
    "   4: XX:1F40 00000000:0000 0A\n"
)
V6 = HEAD + (
    "   0: 00000000000000000000000000000000:1F40 0:0 0A 00000000:00000000 00:00000000 0     0\n"
    "   1: 00000000000000000000000001000000:1F41 0:0 0A 00000000:00000000 00:00000000 0     0\n"
    "   2: 0000000000000000FFFF00000100007F:1F42 0:0 0A 00000000:00000000 00:00000000 0     0\n"
)


def test_tables_of_the_kernel_are_read() -> None:
    assert [str(one) for one in table_addresses(V4, 8000)] == ["0.0.0.0"]
    assert [str(one) for one in table_addresses(V4, 8001)] == ["127.0.0.1"]
    assert [str(one) for one in table_addresses(V6, 8000)] == ["::"]
    assert [str(one) for one in table_addresses(V6, 8001)] == ["::1"]
    assert [str(one) for one in table_addresses(V6, 8002)] == ["127.0.0.1"]
    assert list(table_addresses("", 8000)) == []


def test_port_of_this_machine_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        assert [str(one) for one in listening_addresses(port)] == ["127.0.0.1"]
