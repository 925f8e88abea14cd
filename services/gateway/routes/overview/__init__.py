"""How everything is, on one page.

answer  one question to each service, put together
fleet   its servers
parts   what it is made of
"""
