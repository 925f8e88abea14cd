"""Pure tests of services/gateway."""
