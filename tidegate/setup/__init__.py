"""Whoever begins: asked what is to run, and given a configuration that says it.

init       `tidegate init`: from the answers to the file, and what to do next
questions  what is asked at a terminal, where no option says it
wishes     what is to run, checked: servers, sessions, zone, limits
tomltext   the file that says so, each setting with a word on what it does
"""
