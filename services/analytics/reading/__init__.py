"""A SELECT and its answer, whoever asks and of which file: nothing but DuckDB, Arrow and rules.

statement   one SELECT on a locked-down connection, read only, as a stream of Arrow
exacttext   columns that Arrow does not carry as DuckDB means them, as text
values      Arrow as rows that JSON can carry, and what they weigh there
"""
