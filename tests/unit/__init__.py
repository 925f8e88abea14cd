"""Pure tests, in seconds: in rooms of gateway, pool, balancer, analytics, runtime and tidegate.

A room that needs events and states in few words has them in its `builders`.
"""
