"""The log itself.

events   by page, and live
explain  one request's whole story, as the projections have it
lane     the same on a time axis
requests one row each, by filters and page
"""
