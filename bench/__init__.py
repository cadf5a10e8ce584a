"""Benchmarks of fastroute and of what one would use instead.

Run them with ``fastroute bench``; ``docs/benchmarks.md`` says what is measured and how to read it.
"""
