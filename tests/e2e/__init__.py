"""The stack as processes: what a client, an operator or a fault does to all of it.

stack      the whole stack, part by part, for tests that kill, pause and cut them
asked      what a test asks of a running stack, however it runs
exactness  a storm of calls, and every account of how many units it took
search     secrets looked for in bytes, in every form in which they might be written
docblocks  what stands in the docs to be typed, run as it stands
docpages   which test types which page, and what none types
systemctl  a stand-in that does by a unit what systemd would
disk       a disk whose power can be cut

Named after what happens, not after a module: everything is under test in each.
"""
