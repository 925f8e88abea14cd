"""Whoever administers it: each verb asks the gateway's API and prints what it answers.

sessions  sessionfiles  servers  keys  leases    what there is, and its changes
stats  report  export  sql                       figures
config  shown                                    the configuration, checked or shown
"""
