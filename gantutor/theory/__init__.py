"""What can be computed exactly: distributions with known densities, divergences, and the dynamics of small games."""
