"""Reports that a person reads: every file of `sql/reports` is a section of them.

report     what was asked and found: the sections with their rows, and the period before
wording    how a figure is written, by the name of its column
markdown   for a terminal or a wiki      page     one HTML file, nothing loaded from anywhere
plots      the page's plots as SVG       scale    round numbers for their axes

Adding a statistic is adding a file there: it becomes a named query, an export and a section.
"""

from services.analytics.reports.report import Reporter

__all__ = ["Reporter"]
"""What the doors need."""
