"""Whoever administers it: each verb asks the gateway's API and prints what it answers.

sessions  pool/                                  sessions, looked for and changed
sessionfiles  sessiontests  sessioncolumns       sessions in files, their accounts, their table
servers  keys  leases  queue                     what else there is, and its changes
figures/                                         stats, reports, exports, SQL
config  foreseen  running                        the configuration: checked, shown, what `up` meets
dashboard                                        a link that signs a browser in
"""
