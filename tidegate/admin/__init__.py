"""Whoever administers it: each verb asks the gateway's API and prints what it answers.

sessions  sessionlists                           sessions, and how they are looked for
sessionfiles  sessiontests  sessionaccounts      sessions in files, their accounts
servers  keys  leases  queue                     what else there is, and its changes
figures/                                         stats, reports, exports, SQL
config  shown                                    the configuration, checked or shown
"""
