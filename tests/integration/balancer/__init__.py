"""Tests on real parts of services/balancer."""
