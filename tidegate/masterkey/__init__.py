"""The master key rotated: its file is written here, everything else is the pool's.

secrets   `tidegate secrets`
rotation  step after step, each looked for anew, so that it goes on wherever it was killed
steps     what is to be done next, by the key file and what the pool's leader says
keyfile   the key file, its copies, and the lock that one rotation holds
"""
