"""Pure tests of services/pool."""
