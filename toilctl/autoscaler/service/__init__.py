"""The process on the leader: one tick after the other, signals, the lock against a second one, reports.

``loop`` is the program ``toilctl-autoscaler``. It is the one room that may import all others of the autoscaler.
"""
