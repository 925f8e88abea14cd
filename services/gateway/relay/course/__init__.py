"""The course of a request: which lease is asked for, what is tried with it, and how each ends.

A pure state machine. `begin` opens it, `advance(stage, happening, now_s)` says what stage follows
and which steps are to be carried out; the loop in `relay` carries them out and tells what happened.
The last step is the one that is waited for, or ends it; `Record` and `Cancel` before it are done at
once, so that no cancellation finds a lease whose end was decided and not kept.

```
Entering ──► Asking ──► FetchingCredential ──► Selecting ──► Sending ──success──► Passing ──► Ended
   ▲                                            │      ▲        ▲ │ │
   │ send_by has passed                         │      │        │ │ └─doubtful──► Pausing ─┐
   │ no server serves its region                │      │        │ │                        │
   ├────────────────────────────────────────────┘      │        └─┼────────────────────────┘
   │ refused to this session                           └──────────┤ unreachable
   └──────────────────────────────────────────────────────────────┘
```

Left out of the drawing: `AskingLast`, and the way from every stage to `Ended`, by an error that the
client hears or because it is gone. What happens is the answer to the step that was waited for, or
`BrokenOff`, which is lawful wherever something is waited for: the stage says what it costs, not
whether a future had resolved by then.

A lease ends exactly once: by `Record`, by `Cancel`, or as the `previous` of the next question. What
may have been accepted (a *doubtful* attempt) is repeated at the same server, if that one is
idempotent, and nowhere else. Once a success is passed on, nothing is tried any more. What is ugly:
after the last session was refused the pool is asked for a lease that nobody wants (`AskingLast`),
because only it can say whether the quota or the credentials are used up.

facts        what the client asks for, what leases have in common, what a lease in hand holds
happenings   what the loop tells
steps        what the loop is to do
stages       where a request is, and what it holds there
rules        which rule holds for which happening at which stage
asking       the pool is asked
trying       a lease is in hand: a server for it, and what an attempt leads to
leaving      the answer is passed on, or the request broken off where it stands
moves        ways of going on that several rules have in common
endings      how a lease ends, in the log's words
summary      what headers and the log line say of it
"""

from services.gateway.relay.course.rules import advance, begin
from services.gateway.relay.course.summary import summary_of

__all__ = ["advance", "begin", "summary_of"]
