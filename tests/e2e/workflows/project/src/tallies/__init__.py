"""A project with a dependency that no appliance has."""
