"""The log itself.

events   by page, and live
explain  one request's whole story, as the projections have it
"""
