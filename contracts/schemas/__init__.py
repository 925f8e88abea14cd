"""The wire in JSON Schema: one file per message, and an AsyncAPI document of who sends what.

generator                      makes every file from the code: `python -m contracts.schemas`
events/  commands/  replies/   a file per message

Generated and checked in; a test compares the files with the code.
"""
