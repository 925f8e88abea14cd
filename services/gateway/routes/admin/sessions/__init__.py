"""The pool's sessions.

listing   by page, and one alone     adding    under seal, or revived
paging    what makes a page          changing  enabled, drained, cooled, limited, retired
looking   which fit, in which order  bulk      the same for all that fit
"""
