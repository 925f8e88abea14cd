"""Events into state, whatever they are: evolving is total.

fold      an event, an envelope
leases    granted, renewed, refused        ends      settled, released, expired, reconciled
sessions  added, changed, cooled, suspected, retired
keeping   what was asked for, who joined, growth held
"""
