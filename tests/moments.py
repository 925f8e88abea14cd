"""Moments that tests of more than one room begin at."""

from datetime import UTC, datetime

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
