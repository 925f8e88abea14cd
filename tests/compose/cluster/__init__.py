"""Three NATS servers keep the log: what a stack of containers does when one of them is lost."""
