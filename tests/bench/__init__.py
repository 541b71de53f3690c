"""The benchmark behind `scripts/bench`: jobd as users start it, beside other queues on Redis and beside the floor.

- `contenders.toml` says who takes part; `programs/` holds what runs in their environments
- `parts/` measures, one file for each part of the table; `stage.py` is where one measurement happens
- `report/` makes the table, the plot and the verdicts on the targets
"""
