"""Pure tests of services/balancer."""
