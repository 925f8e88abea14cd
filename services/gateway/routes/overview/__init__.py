"""How everything is, on one page.

answer  one question to each service, put together
parts   what it is made of
"""
