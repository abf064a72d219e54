class InputError(ValueError):
    """Bad input: one sentence that names the thing and the remedy. The command line prints it and exits with 2."""
