"""Tests on real parts of services/analytics."""
