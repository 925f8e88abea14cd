"""Whoever doubts it: the log replayed, told, followed.

audit    every violation named, DuckDB compared      trial        the whole log, subject by subject
replay   the state it folds to                       projections  what DuckDB counted
explain  one request's whole story                   tail         the log as it grows
"""
