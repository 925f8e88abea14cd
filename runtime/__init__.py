"""What every process shares: the doors to the world.

environment   variables, the home directory and its files
settings      tidegate.toml: sections, overrides, errors by name
quantities    durations and sizes as people write them
startsettings settings that need a restart: a change while running is told
secrets       credentials under AES-GCM, session identities
credentials   upstream credentials as operators give them: one reader for every door
clock         now, and the test offset
addresses     which addresses are never a server's; why one is not reached
hosts         which names of a host are ours, against pages that lead a browser here
geography/    regions, the countries in them, how far apart they are
texts         what may be a name, and how strangers' texts are shown
process/      the life of a process: loop and signals, health, logs
nats/         the server, its streams, a connection, FastStream's broker
eventlog/     append behind the fence, read and follow; the one writer of a subject
leadership    follow, be elected, lead, step down
leaderpings   whether somebody leads
"""
