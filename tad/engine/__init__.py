"""Training and inference loops, checkpoints."""
