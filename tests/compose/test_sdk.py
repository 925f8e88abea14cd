"""The `openai` SDK against the containers: the very tests that the processes are held to."""

from tests.e2e.test_sdk import *  # noqa: F403
