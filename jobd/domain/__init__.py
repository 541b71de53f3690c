"""The rules of jobs: pure values and functions. No await, no clock, no dice, no Redis, no logging."""
