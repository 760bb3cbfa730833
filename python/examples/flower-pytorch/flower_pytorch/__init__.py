"""A federation of a PyTorch model."""
