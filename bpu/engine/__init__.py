"""The engine: two kinds of processes around one console program.

The *keeper* is a daemon, one for each state folder and so one for each board. It owns the console process, the queue of
jobs and every decision about them. Each gunicorn worker, and each command that needs the console, is a *client*: it
submits a job, waits for the keeper's word, and then reads and writes the console's pipes itself, because tokens that
passed through a second process would come later.

    HTTP client --- worker (client: Engine, Job, TurnReader) ---- packets ---- keeper (Scheduler, Supervisor)
                          |                                                        |
                          +--------- the console's pipes, for one turn ----------- console program --- BPU

What both sides use is beside the two folders and is standard library only: the protocol and its messages, how a
console is run (`launch_spec`), the file locks, states and status, and what is recorded of a console. `client` imports
nothing of `keeper`, and `keeper` nothing of `client`.
"""
