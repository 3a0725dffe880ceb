"""What integration tests and benchmarks stand on: a receiver, and an installation of real processes."""
