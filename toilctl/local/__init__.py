"""The rehearsal cloud: an AWS account on this machine, whose instances are containers that boot.

It is made to be as strict as AWS, and to fail on demand. toilctl reaches it by AWS's own API alone, so nothing of
``toilctl.verbs`` or ``toilctl.cli`` is imported here.
"""
