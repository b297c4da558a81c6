"""What the autoscaler remembers from tick to tick, beside its journal: refusals, playbooks under way, nodes, spot.

Each is an object that the service keeps and the observer reads. A restart may lose any of it: then AWS, the engine and
the journal tell it again.
"""
