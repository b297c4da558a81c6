"""What all services of the rehearsed account share: the clock, faults that were set, patches of moto."""
