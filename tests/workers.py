"""Test processes of which one may die: the others run what it had left, and nobody waits for it.

pytest-xdist 3.8 gives a dead process's work away again as it was given, with all that was done and
with the test it died of, a group at a time. A process begins a test once it knows the next one, or
that there is none: whoever takes the place of the last to die, and gets a group with one test or
with none, has nothing to report, and the run waits for it for ever.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling
from xdist.workermanage import WorkerController

_BEGINS_AT = 2


class Scheduling(LoadGroupScheduling):
    """Groups of tests over processes: what a process dies of is not run again."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Give away what a process leaves undone; return the test it died of, None at its end."""
        left = {
            scope: unit
            for scope, unit in self.assigned_work.pop(node).items()
            if not all(unit.values())
        }
        if not left:
            return None

        scope, unit = next(iter(left.items()))
        died_of = next(test for test, done in unit.items() if not done)
        unit[died_of] = True
        if all(unit.values()):
            del left[scope]
        self.workqueue.update(left)
        for other in self.nodes:
            self._reschedule(other)
        return died_of

    def _reschedule(self, node: WorkerController) -> None:
        """Give a process more work, so much that it begins."""
        super()._reschedule(node)
        while self.workqueue and not node.shutting_down and self._too_few(node):
            self._assign_work_unit(node)

    def _too_few(self, node: WorkerController) -> bool:
        return self._pending_of(self.assigned_work[node]) < _BEGINS_AT

    def undone(self) -> list[str]:
        """Name what was given to processes and has not come to its end."""
        return [
            test
            for units in self.assigned_work.values()
            for unit in units.values()
            for test, done in unit.items()
            if not done
        ]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Schedule by groups as above; leave any other way of distribution to pytest-xdist."""
    return Scheduling(config, log) if config.getoption("dist") == "loadgroup" else None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Name what an interrupted run was at; it counts as failed, for a second look."""
    distributed = session.config.pluginmanager.get_plugin("dsession")
    scheduling = getattr(distributed, "sched", None)
    if not isinstance(scheduling, Scheduling) or not (undone := scheduling.undone()):
        return

    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    terminal.write_line(f"\nWITHOUT AN END: {', '.join(undone)}")
    cache = session.config.pluginmanager.get_plugin("lfplugin")
    if cache is not None:
        cache.lastfailed |= dict.fromkeys(undone, True)
