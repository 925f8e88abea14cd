"""Whoever runs it: the stack in the foreground, one service as a process, a home made ready.

up            `tidegate up`: NATS, the services, demo servers
running       what it starts, and the order in which that ends
ownservers    those of the log, which the demo must not take away
stuck         NATS that takes no writes, started again
screen/       what `up` prints
supervisor    the children of `up`: started, watched, ended in order
leftovers     what an `up` that was killed left running
restart       `tidegate stack restart`: one of those children, ended and started again
service       `tidegate gateway | pool | balancer | analytics`
migrate       `tidegate migrate`: secrets, streams, first keys
home/         what a home keeps, and what is made when it is absent
demo          `tidegate demo`: a server to try, and traffic for it
demo_servers  the four of `up`
ports         whether one can listen there
"""
