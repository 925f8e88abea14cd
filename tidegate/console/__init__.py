"""What verbs share: how they ask, what they show, why they end early.

api         the gateway's operator endpoints
logreading  the event log read to its end
output      tables, JSON, progress, notes
errors      why a verb ends early
"""
