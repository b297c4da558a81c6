"""What a plan says is done: cordons and drains through the engine, scale-outs and scale-ins by playbooks.

What is executed was decided before. A step that fails is told to the memory, so that the next tick sees it.
"""
