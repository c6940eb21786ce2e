"""Benchmarks: each prints one JSON object. ``manage.py bench NAME``; docs/benchmarks.md says what they measure."""
