"""The duties that a process may have: api, scheduler, worker, monitor. Roles never call each other; they meet in the
store."""
