"""The client's side of the engine, inside a gunicorn worker or a command.

`engine` is what the web layer sees, `job` is one job from the queue to its last event, `turn_io` reads and writes the
console's pipes for one turn, and `daemon_connection` finds the keeper or starts it. `launch_config` makes launch
specifications from settings.
"""
