"""The dashboard in a real Chromium in front of the real stack (`make dashboard-test`)."""
