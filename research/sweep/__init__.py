"""Sweeps: a sweep file to the trials that it describes."""
