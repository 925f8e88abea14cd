"""The log itself.

events   by page, forwards and back
stream   live
positions  where one is in the log, and which events are wanted
audits   what was found of the log as a whole, and what was backed up
explain  one request's whole story, as the projections have it
lane     the same on a time axis
requests one row each, by filters and page
"""
