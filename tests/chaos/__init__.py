"""A fault test of jobd, judged by a history that it has no hand in. `scripts/chaos --help` says how to run it.

- `stage.py` starts a server, the roles as processes of their own, each behind a proxy of its own (`proxy.py`), and
  producers (`load.py`, what they ask for is drawn in `wishes.py`)
- `nemesis.py` draws up a schedule of faults from a seed, and `blows.py` makes them happen
- handlers (`plugin/`), producers and the nemesis each write down what they see (`history.py`)
- `checker.py` judges that history, `report.py` tells of it
- `sabotage.py` breaks jobd on purpose, to show that the checker would see it
"""
