"""What takes minutes because it is about minutes: `make patience`."""
