"""Workflows on a leader: they are deployed, run, followed and stopped."""
