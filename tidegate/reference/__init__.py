"""The reference pages: written from the code, so that they cannot say anything else.

`python -m tidegate.reference` writes `docs/reference/*.md`; a test compares them.
"""
