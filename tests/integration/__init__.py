"""Tests on real parts: nats-server, DuckDB, sockets, in the test's own loop where that can be.

Rooms of gateway, pool, balancer, analytics, runtime, demo and tidegate. Each room's first file
names its builders; fixtures that several of its modules share are in its `conftest`.
"""
