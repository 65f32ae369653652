"""The client's side of the engine, inside a gunicorn worker or a command.

`engine` is what the web layer sees, `job` is one job from the queue to its last event, `turn_io` reads and writes the
console's pipes for one turn. `daemon_connection` keeps the connections to the keeper, which `keeper_start` starts.
`launch_config` makes launch specifications from settings.
"""
