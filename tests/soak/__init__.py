"""A long run without faults: nothing runs twice, and no process grows: `scripts/soak`."""
