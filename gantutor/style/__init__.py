"""Style and content as features see them, and pictures optimised to match."""
