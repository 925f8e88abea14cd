"""What a leader knows beside the log; lost with its term.

memory     its refusals: those journalled, those counted, those told before
line       who waits for a lease
lanes      whose turn it is among those who wait
forecast   when places will come free
shredding  which ciphertexts are to go
"""
