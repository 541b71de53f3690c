"""What the store held under each release, and that this one goes on with it.

`python -m tests.releases` writes `<version>.json`, of the version that runs it; it is done once at each release, and
the file is never touched again.
"""
