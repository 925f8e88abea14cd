"""Tests on real parts of services/pool."""
