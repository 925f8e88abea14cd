"""The balancer: knows the servers, who is well, who is busy, and names one for each lease.

app          composition root: the only place where its adapters are made
leader       what it does while it leads: answer, probe, journal, sweep
settings     what an operator may turn (`[balancer]`, `[[servers]]`)
strategies   one pure policy a file: eligible servers in, a ranking out
domain       the fleet as a fold, exchanges in flight, selection, health, configuration, views
store        the journal `evt.balancer`, and the tail of the log that ends what is in flight
custom       strategies of an operator's own, in a process of their own
probes       what servers are asked, jittered, and whether they answered well
measuring    servers measured by their probes, when an operator asks
handover     what one leader hands to the next
handlers     the doors `rpc.balancer.*`
metrics      what Prometheus is told
"""
