"""Reports that a person reads: every file of `sql/reports` is a section of them.

report     the sections of a period, asked one after the other, and the period before
findings   what was found, before it is written
wording    how a figure is written, by the name of its column
markdown   for a terminal or a wiki      page     one HTML file, nothing loaded from anywhere
plots      the page's plots as SVG       scale    round numbers for their axes

Adding a statistic is adding a file there: it becomes a named query, an export and a section.
"""

from services.analytics.reports.report import Reporter

__all__ = ["Reporter"]
"""What the doors need."""
