"""Tests on real parts of demo."""
