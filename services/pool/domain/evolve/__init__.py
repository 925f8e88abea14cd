"""Events into state, whatever they are: evolving is total.

fold      an event, an envelope
leases    granted, renewed, refused        ends      settled, released, expired, reconciled
sessions  added, changed, cooled, suspected, retired
accounts  joined, and what is said of them
rotation  the master key's rotation began, ended
blame     what speaks for and against them
keeping   what was asked for, who joined, growth held
"""
