"""Signing in, for those who cannot send a key with each request: a browser.

tokens    what is signed: links that sign in once, and what they are exchanged for
spent     links that were used and sign-ins that were ended, as the log has them
browser   the cookie, and which requests that bring it are our own page's
"""
