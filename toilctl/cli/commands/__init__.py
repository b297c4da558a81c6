"""The commands, as people type them: words become a request, a verb does it, a view shows what came of it.

Verbs are imported inside of each command, so that ``toilctl --help`` is quick.
"""
