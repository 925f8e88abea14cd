"""Why a verb ends early.

CommandError        it found something wrong, or cannot do it: exit 1
GatewayRefusedError the gateway says that what was asked is wrong: exit 1
SettingsError       (runtime.settings) a wrong file, variable or argument: exit 2
"""


class CommandError(Exception):
    """What stands in the way, for the person at the terminal."""


class GatewayRefusedError(CommandError):
    """What the gateway finds wrong with what it was asked (400)."""
