"""Hosts of the rehearsal cloud: containers that boot like EC2 instances, their networks and their first boot.

``hosts`` decides what has to change, and ``containers`` says how a host is made; the Docker engine does it.
"""
