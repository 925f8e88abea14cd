"""Whoever doubts it: the log replayed, told, followed.

audit    every violation named, DuckDB compared      hearing      the log to its end, then DuckDB
trial    the whole log, subject by subject           projections  what DuckDB counted
replay   the state it folds to                       refold       the fold, and what it came to
explain  one request's whole story                   tail         the log as it grows
requests what clients asked, one line each           candidates   whom a selection looked at
"""
