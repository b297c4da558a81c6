"""The account of the rehearsal cloud, as strict as AWS: requests, permissions, EC2, and what moto lacks.

``cloud`` is the door. Nothing here knows of containers: what hosts there should be is said as ``host_spec``.
"""
