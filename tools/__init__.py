"""Developer scripts, each run by a make target."""
