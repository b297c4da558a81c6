"""Deployments on the leader: a workflow's files, and the virtualenv in which it runs."""
