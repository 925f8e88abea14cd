"""Whoever administers it: each verb asks the gateway's API and prints what it answers.

sessions  sessionlists  sessionchanges           sessions, looked for and changed
sessionfiles  sessiontests                       sessions in files, their accounts
servers  keys  leases  queue                     what else there is, and its changes
figures/                                         stats, reports, exports, SQL
config                                           the configuration, checked or shown
dashboard                                        a link that signs a browser in
"""
