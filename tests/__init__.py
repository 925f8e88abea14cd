"""Tests: unit (pure), contract, integration (real nats-server, DuckDB), e2e (real processes)."""
