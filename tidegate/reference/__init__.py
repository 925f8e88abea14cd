"""The reference pages: written from the code, so that they cannot say anything else.

pages          every page, and what writes it
configuration  what an operator may turn: settings and variables
wire           events of the log, subjects of the table
balancing      how a server is chosen: strategies
http           the gateway's endpoints
failures       what backends' failures mean
statistics     measures, dimensions, named queries, reports
surface        what people and machines see: commands, errors, metrics
completion     `tidegate completion`: verbs and options for a shell
markdown       tables, and the sentences that stand in the code's docstrings

`python -m tidegate.reference` writes `docs/reference/*.md`; a test compares them.
"""
