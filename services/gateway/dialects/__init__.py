"""What a server understands, where that is not what clients say; pure.

table    the dialects by name, and what each makes of a request
words    what was asked, what it becomes, why it cannot be done
family   the rules of the jimeng family: images, compositions, and what all of it has in common
checks   what every one of them takes, and gets wrong when it is otherwise
references   pictures and films that are brought along: where they are read, how many
films    films: ratio, resolution, length
sizes    pictures: ratio, resolution, width and height
chat     a conversation as one generation, and its result as a completion
forms    a form put together again
recognition  which of them a server speaks, by what it says of itself
credentials  a credential as a backend gets it, and what of it is secret

Only what a server would refuse, or silently drop, is touched; the rest passes byte for byte. What
each backend takes stands, with its source, in docs/explanation/backends.md.
"""
