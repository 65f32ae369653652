"""The keeper: the engine's daemon, one process a board, one thread, standard library only.

`daemon` is the process and its sockets, `scheduler` decides which job and model are next (`queue`, `swap_rule`,
`kv_cache`), `model_registry` holds the models, `supervisor` controls the console process of one model, `output_reader`
reads it, and `event_loop` calls each of them when there is something to read. The first client that needs the keeper
starts it (`python -S -m bpu.engine.keeper`); it ends by itself when no client is left.
"""
