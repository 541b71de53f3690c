"""The engine, the monitor and the scheduler as they are, in one process, on a store that is the oracle of the stateful
tests, under a clock that jumps, with faults at every call of the store: `scripts/simulate`.

Everything follows from a seed, so what went wrong once goes wrong again. `weather.py` decides what befalls a call,
`oracle.py` and `line.py` are the store and the way of a process to it, `inbox.py` what it hears, `world.py` the
processes, their jobs and what must hold in the end.
"""
