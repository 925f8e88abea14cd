"""Tidegate: `cli` (the verbs), `runtime` (the doors every service shares), `demo` (a backend)."""
