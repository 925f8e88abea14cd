"""Tests on real parts of services/gateway."""
