"""What runs on nodes: the leader's program, Toil's plugin there, and the watch on spot instances.

Roles bring it there, as packages of their own: ``toilctl_leader``, ``toilctl_plugin`` and two programs; ``tether``
goes with the command that it runs. All runs on whatever Python a node or a user's virtualenv has, 3.9 or later, with
the standard library and Toil alone: nothing else of toilctl is imported here, and nothing of this by the rest of
toilctl. Within a package imports are relative.
"""
