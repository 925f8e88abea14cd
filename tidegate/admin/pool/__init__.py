"""The pool's sessions, as operators look for them and change them.

sessionlists    the options of a filter
sessionchanges  one, or all that fit: called something, drained, cooled, cleared, removed
"""
