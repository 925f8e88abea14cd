"""A command and a moment into events and an answer.

**How a decision goes.** It has one moment, `now`, which becomes the time of its envelope. It first
lets go of what is due to leave by then, and is drawn up in a `Draft`: each event that is emitted
is folded at once, so that the next question sees it. What is left in the end is a `Decision`: the
events, and an answer that is given when they are in the log. A command may come twice, for answers
get lost: the second time it hears the first answer, and no event comes of it.

**What becomes of a request for a lease**

    asked      near a reset   held, and decided again once the reset is past
    asked      no session     refused: journalled, or counted and journalled later
    asked      may wait       waits, as long as it is asked for again; after a second in the log
    waiting    comes free     open, before any new request
    waiting    in vain, late  refused
    waiting    unheard        nothing: it may be asked for again
    asked      given up       forbidden, should it come after all
    asked      granted        open
    open       renewed        open, with a later deadline
    open       usage          settled, released, unknown; the session blamed for what it shows
    open       given back     cancelled
    open       deadline       expired, by a sweep
    expired    late usage     corrected
    uncertain  operator       reconciled

**And of a session that an upstream complains of**

    active     login expired  suspect, and after a minute on trial: one call at a time
    on trial   success        active
    on trial   login expired  disabled, if others were served: until an operator says otherwise
    on trial   login expired  suspect for another minute, if nobody was
    suspect    others accused by the same server, and another one serves
                              all of them active: the server is to blame
    active     rate limited, risk control          cooling, until its time has passed
    active     quota used up                       nothing more of that type for the lease's day
    active     a 4xx that no table lists, and a comparison that speaks against it
                                                   doubtful: tried after all others
    doubtful   a third one in a row                cooling, and doubtful afterwards
    doubtful   success                             active

**What is ugly.** Deciding changes the state that it is given; to decide and not to do so, one has
to roll back. What was counted or answered of refusals (`RefusalMemory`) is state without events:
it is undone with the rest and lost with its leader. `held_until` is a decision not to decide, and
may yet have events: the end of the lease before. Nobody asks for sweeps, policies and checkpoints,
so they are bare events; the first two let go of what is due only as they emit. A decision that
would be a violation is an `AssertionError`: its command is answered as failed, and the others are
decided anew.

lease     grant, have it wait, refuse, or hold at a change of the quota day
granting  the lease of a session that was chosen
waiting/  who may wait, who is served first, whose wait is over
reasons   why none, and for how long
refusals  what the log is told of them, and their budgets in it
end       usages
blame     whom a verdict blames, and what follows for it
keeping/  how many sessions are lacking, which retire unused, which are asked after
upkeep    renewals, cancellations, deadlines, checkpoints
admin     what operators, provisioners and the configuration may change
accounts/ which account a session may use, what may be said of it
bulk      the same for all sessions that fit
rotation  when a rotation of the master key begins and ends
bounds    what a command may bring into the log
decision  what deciding yields, and the one way in which it becomes state
"""
