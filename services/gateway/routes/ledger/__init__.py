"""The log itself: events by page and live, one request's whole story."""
