"""EC2 of the rehearsed account: launches and their checks, stock, fleets, spot, states of instances."""
