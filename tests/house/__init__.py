"""Rules of the house that no linter knows, and those who judge it: chaos, soak, coverage.

code             the code as text and as trees, read once for all rules
coverage_bounds  what `make` holds the coverage to
"""
