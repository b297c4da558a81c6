"""What the autoscaler speaks of, as values: what it sees, what it decides, its settings, a node's phases.

Nothing here knows how a decision is made, and nothing reads a clock, a file or a network. Each of the rooms beside
this one may import it.
"""
