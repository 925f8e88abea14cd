"""A home: what it keeps, what is made when it is absent, and whose it is.

files      the files of a home that are nowhere else
lock       a home belongs to one process at a time
migration  what is absent, made: secrets, streams, first keys
firstkeys  the two keys of the home, journalled
owners     a home for every owner that runs in a container
"""
