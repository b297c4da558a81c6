"""What toilctl does for people, a module per verb: a request becomes a plan, and the plan is carried out.

A verb knows nothing of how it was asked or how its result is shown: words and tables are the command line's. Nothing
of ``toilctl.cli`` is imported here, and of ``toilctl.local`` only ``provisioner`` does.
"""
