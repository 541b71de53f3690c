"""The only room that knows Redis: its keys, its scripts, how to reach it, and how to run it."""
