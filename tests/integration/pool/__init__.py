"""Tests on real parts of services/pool.

room   pool processes, on connections of their own, in the test's loop
cable  between a process and NATS: can be clogged or cut
"""
