"""Pure tests of tidegate."""
