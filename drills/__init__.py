"""Drills: kill, damage, starve and confuse the commands, and count what they do. `make drill` runs them.

A drill is no test: it tries many random cases and prints its counts. What it finds becomes a test in `tests/`.
"""
