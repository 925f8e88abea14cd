"""Settings that are read at the start alone: whoever changes one while it runs is told, once."""

from collections.abc import Mapping

from runtime.process.logs import Log


class StartSettings:
    """The values that a process began with, by the names they have in the file."""

    def __init__(self, log: Log, begun: Mapping[str, object]) -> None:
        """Remember them."""
        self._log = log
        self._begun = begun
        self._known = dict(begun)

    def warn_of_changes(self, now: Mapping[str, object]) -> None:
        """Warn of each that the file has just changed; changed back, it is as it was."""
        assert now.keys() <= self._begun.keys(), "who calls names the same settings each time"
        for setting, value in now.items():
            if value == self._known[setting]:
                continue
            self._known[setting] = value  # so that each value is told once, not at every look
            if value != self._begun[setting]:
                in_force = self._begun[setting]
                self._log.warning(
                    "restart_needed", setting=setting, in_force=in_force, configured=value
                )
