"""Tests on real parts of tidegate."""
