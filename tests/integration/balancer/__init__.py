"""Tests on real parts of services/balancer.

bench  one NATS, some balancers on it, and a gateway's view of them
"""
