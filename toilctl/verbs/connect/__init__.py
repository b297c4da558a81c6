"""Ways to a cluster's leader: a shell, copies of files, and questions to the leader's own program.

What is to run there is made here; ssh's own command line is ``toilctl.system.ssh``'s.
"""
