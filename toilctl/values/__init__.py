"""What toilctl speaks of: clusters, nodes, node types, tags, prices, and the words and errors for them.

Values only. Nothing here reads a file, the clock, the environment or a network, so nothing of ``toilctl.system`` is
imported here, and all of toilctl may import this.
"""
