"""Tests of the benchmarks themselves: `python3 -m unittest discover -s bench/tests -t .` from the project's root."""
