"""A backend to try Tidegate against, and traffic for it."""
