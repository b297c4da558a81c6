"""Ways to sort."""
