"""Whoever runs it: the stack in the foreground, one service as a process, a home made ready.

up            `tidegate up`: NATS, the services, demo servers
supervisor    the children of `up`: started, watched, ended in order
leftovers     what an `up` that was killed left running
service       `tidegate gateway | pool | balancer | analytics`
migrate       `tidegate migrate`: secrets, streams, first keys
firstkeys     the two keys of the home, journalled
homes         a home for every owner that runs in a container
homefiles     the files of a home that are nowhere else
homelock      a home belongs to one process at a time
demo          `tidegate demo`: a server to try, and traffic for it
demo_servers  the four of `up`
"""
