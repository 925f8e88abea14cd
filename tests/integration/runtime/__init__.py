"""Tests on real parts of runtime."""
