"""Pure tests of services/analytics."""
