"""What a cluster is told once and keeps: its software, its nodes' storage, how it scales, the key of its store.

Here options, tags and defaults become one value, and that value becomes tags and variables of playbooks again.
"""
