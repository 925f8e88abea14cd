"""Requests that wait for a lease, in the `line` of the leader.

entering  who may wait, and what it is told of it
serving   whoever can be served now is granted its lease, before any new command
ending    waits that are over without a lease; what is journalled of those that last
"""
