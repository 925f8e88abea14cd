"""Tests on real parts of runtime.

nats_users  a nats-server with the generated accounts, and what it refuses each user
"""
