"""Why a verb ends early.

CommandError        it found something wrong, or cannot do it: exit 1
GatewayRefusedError the gateway says that what was asked is wrong: exit 2
GatewayUnableError  the gateway, or a service behind it, cannot answer now: exit 1
GatewayAbsentError  there is no gateway: exit 1
SettingsError       (runtime.settings) a wrong file, variable or argument: exit 2
"""

from collections.abc import Mapping


class CommandError(Exception):
    """What stands in the way, for the person at the terminal."""


class GatewayRefusedError(CommandError):
    """What the gateway finds wrong with what it was asked (400).

    `refused` are the reasons by the place in a list, from 1, where nothing of one was good.
    """

    def __init__(self, message: str, refused: Mapping[int, str] = {}) -> None:
        super().__init__(message)
        self.refused = refused


class GatewayUnableError(CommandError):
    """Why the gateway cannot answer now (5xx): whether it did what was asked is unknown."""


class GatewayAbsentError(CommandError):
    """Where a gateway was expected."""
