"""Which account a session uses, and what is said of one.

joining  who may use which account, and must agree with it in what
telling  tier, reset hour, units used by noon; tiers that are in use
"""
