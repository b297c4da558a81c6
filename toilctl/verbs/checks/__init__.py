"""What AWS has to say before anything is made: zones, images, instance types, quotas, key pairs, permissions.

Each check raises an error that names the next step. Nothing here changes anything.
"""
