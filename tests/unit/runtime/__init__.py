"""Pure tests of runtime."""
