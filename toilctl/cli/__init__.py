"""The command line: commands, and how their results look.

The top row of the house: it may import all of toilctl, and nothing imports it.
"""
