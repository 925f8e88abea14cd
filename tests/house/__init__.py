"""Rules of the house that no linter knows, and those who judge it: chaos, soak, coverage."""
