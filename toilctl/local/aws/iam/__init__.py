"""Who asks, and what they may: principals, policies, and the permissions that each action needs.

``toilctl.local.aws.cloud`` brings the three together, and refuses.
"""
