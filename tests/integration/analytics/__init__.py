"""Tests on real parts of services/analytics.

parts      a story in the stream, a projector over it, questions to its file
fates      requests of every fate, for the query `explain`
served     analytics as a service in the process of the tests
process    analytics as a process of its own, for tests that kill it
sandboxed  a process that asks SQL without end, for tests that kill it
"""
