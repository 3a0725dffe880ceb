"""Benchmarks on real processes: each figure stands beside its limit or its baseline from the same run."""
