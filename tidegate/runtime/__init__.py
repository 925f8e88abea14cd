"""What every process shares: the doors to the world.

environment   variables, the home directory and its files
settings      tidegate.toml: sections, durations, sizes, overrides, errors by name
atstart       settings that need a restart: a change while running is told
clock         now, and the test offset
logs          structured logging
metrics       the registry of one process
health        /livez, /readyz, /metrics on a port of its own
lifecycle     signals, the loop, an orderly end
broker        the NATS connection, FastStream's broker, calls and their answers
eventlog      append behind the fence, read and follow
writer        the one writer of a subject: numbers, chain, unknown outcomes
leadership    follow, be elected, lead, step down
secrets       credentials under AES-GCM, session identities
"""
