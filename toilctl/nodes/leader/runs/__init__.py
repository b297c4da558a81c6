"""Runs of workflows on the leader: they are started in terminals, supervised, shown, stopped and removed.

``start`` begins a run, ``supervise`` (at the top of the program) is what runs in its terminal.
"""
