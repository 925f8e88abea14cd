"""The master keys: who has which, and how everything comes to be sealed under a new one.

holders  the processes that have master keys, as they say themselves
rotator  the leader's part in a rotation

**Theory of operation.** A rotation is begun in the log, by its key's id, and is under way until
the log ends it; whoever leads goes on with it, so it outlives every process.

    adding      the new key stands second in the key file: it opens, and seals nothing yet
    waiting     until every gateway and pool process has said that it has the key
    promoting   the new key stands first: each process seals under it as soon as it has read the
                file again; a ciphertext that a gateway still sealed under the old one is sealed
                anew as the leader stores it
    re-sealing  the leader seals anew what is under another key, each behind the revision it read
    ending      everybody heard of seals under the new key, and a whole look finds nothing else
    dropping    the others leave the key file

The key file is written by `tidegate secrets rotate` alone (adding, promoting, dropping), each time
as a whole; everything else is the leader's. Nothing is dropped before the log has the end. What a
leader stores is stored behind the revision that it knows: one that was deposed, wakes up and
stores a ciphertext of before finds another revision, and stores nothing.

**What is ugly.** Who is silent for half a minute counts as gone. If it was only cut off, and its
key file is not the one that was changed, it opens nothing that was sealed anew until its file is
right: its calls fail, and no session is lost.
"""
