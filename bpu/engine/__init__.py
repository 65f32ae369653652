"""The engine: two kinds of processes around one console program.

The *keeper* is a daemon, one for each state folder and so one for each board. It owns the console process, the queue of
jobs and every decision about them. Each gunicorn worker, and each command that needs the console, is a *client*: it
submits a job, waits until the keeper grants it the slot, and then reads and writes the console's pipes itself, because
tokens that passed through a second process would come later.

    HTTP client --- worker (client: Engine, Job, TurnReader) ---- packets ---- keeper (Scheduler, Supervisor)
                          |                                                        |
                          +--------- the console's pipes, for one turn ----------- console program --- BPU

Terms:

console               the vendor's closed program, or a stand-in for it: reads one line, writes its answer and a prompt
turn                  one line written to the console and its answer up to the next prompt
job                   one turn as a client submits it; it waits in the keeper's queue until the slot is free
slot                  the right to run a turn on the BPU; there is one, and the running job holds its lock (`slot.lock`)
lock                  a `flock` on the console program; its holder, a keeper or a probe, may load a model
lifeline              a worker's lasting connection, which keeps the keeper alive and brings it the status
launch specification  how one model's console is started and limited; jobs and models are identified by its fingerprint
capabilities          whether the console keeps its history, whether its `reset` works, whether each line is a new chat
examination           questions that find out the capabilities of an unknown console after a load (state `checking`)
record                what is known of one console, kept in the data folder

What both sides use is beside the two folders and is standard library only: the protocol and its messages, launch
specifications, file locks, states and status, the console process and its record. `client` imports nothing of
`keeper`, and `keeper` nothing of `client`.
"""
