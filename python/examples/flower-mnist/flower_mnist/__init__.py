"""A federation on the sample of MNIST."""
