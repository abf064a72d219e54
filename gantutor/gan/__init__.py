"""Generative adversarial networks: losses, penalties, metrics, and the loop that trains them."""
