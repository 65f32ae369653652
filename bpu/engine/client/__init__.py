"""The client's side of the engine, inside a gunicorn worker or a command.

`engine` is what the web layer sees, `job` is one job from the queue to its last event, `line_writer` writes its line to
the console and `turn_reader` reads the answer. `daemon_connection` keeps the connections to the keeper, which
`keeper_start` starts. `launch_config` makes launch specifications from settings.
"""
