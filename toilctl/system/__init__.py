"""What touches the world: AWS, ssh, playbooks, registries, files, and the progress that people see.

Each module wraps one thing outside of this process and turns its failures into ``toilctl.values.errors``. What is to
be done with an answer is decided elsewhere: nothing but ``toilctl.values`` is imported here.
"""
