"""Breaks one line at a time of what protects jobs, and sees whether any test notices: `scripts/mutate`.

`lua.py` and `python.py` say how a file can be broken, `reach.py` which tests come by which line, `trial.py` runs those
tests on a copy of the sources with the break in it, `report.py` says which breaks nobody noticed.
"""
