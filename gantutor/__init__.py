"""gantutor: from the GAN minimax game to pictures in your own style."""

__version__ = "0.1.0"
