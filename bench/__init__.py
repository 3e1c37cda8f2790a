"""Benchmarks: each suite is a module with a command line; figures are printed, never asserted in a timed test."""
