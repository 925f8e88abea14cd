"""Tests on real parts of tidegate.

up            `tidegate up`: a process, its home, and what it says
ptys          a terminal of so many columns, and what a process shows on it
written       a log of a test's own, and the verbs over it
backup_parts  a home to back up, and backups that were changed by hand
"""
