"""The kinds of values that options have."""
