"""One request to one server, and its answer on its way back.

exchange   it: sent, judged, passed on
judging    what of an answer is read before that, and what is made of it
passing    a success on its way to the client, watched for the credential
telling    an answer told as a chat completion, with a beat while the backend is silent
attempts   how it went, as the log keeps it
parts      the two sides between which it carries
"""
