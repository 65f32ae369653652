"""A long run by hand (`make soak`): random clients and faults, and afterwards what is still held."""
