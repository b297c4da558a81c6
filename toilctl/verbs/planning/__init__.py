"""What would be: estimates and simulations, before money is spent."""
