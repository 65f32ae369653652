"""Bytes to events and back, for every known console program.

It is pure: no process, no clock, no file. A console prints, for one turn: an echo of its prompt (some programs), the
marker `[Assistant] >>> `, the answer, statistics lines (some programs), and its next prompt `[User] <<< `. Colours and
a library's log lines may come anywhere. `LogFilter` (`log_filter`) takes those out first. `Parser` (`parser`) then
hands the bytes to the stage of its state:

| stage (module) | what it reads | what ends it | event at its end |
|---|---|---|---|
| `LoadingStage` (`idle`) | banner and start-up lines | a prompt at the beginning of a line | `Ready` |
| `IdleStage` (`idle`) | lines of libraries; all else is `OutOfSync` | the owner writes a line or `reset` | none |
| `IdleStage` after `reset` (`idle`) | the same lines | the prompt, and silence unless no model can speak | `Done` |
| `EchoStage` (`echo`) | an echo of unknown form | the console's own marker, or `run error` | `Echo`, `RunError` |
| `AnchoredEchoStage` (`echo`) | an echo of known form, or `EchoMismatch` | the marker behind it | `Echo`, `RunError` |
| `AnswerStage` (`answer`) | the model's text, the statistics | a proven end, or `run error` | `Done`, `RunError` |
| `ClosedStage` (`idle`) | nothing: the bytes are dropped | | |

How an end of turn is proven. A model can print every byte that a console prints, also a prompt. Two rules tell them
apart; both need the times of the reads, which the owner of the pipe passes in (`pace.Arrival`):

1. By speed, at once: complete statistics of this console's kind and the prompt came in less time than the model
   needs for so many tokens (`pace.Pace.proves`). Then `TurnReport.proven` is true.
2. By silence: the end is the last thing that came, and nothing follows for several steps of the model
   (`Parser.quiet_after`, `pace.Pace.silence_s`). When something follows, the end was text, every byte of it.

`TurnReport` (`traits`) says which rule ended a turn and what it showed of the console; `Traits` keeps that for later
turns. `encode_line` (`line_encoding`) makes the one line that a console reads, `PROFILES` (`profiles`) says what is
known of each program, `diagnose` (`diagnosis`) why one ended. Sources of all facts: docs/console-protocol.md.

The package uses the standard library only, because the keeper runs it without site-packages. A `Parser` belongs to one
console and is called by one thread, in callbacks of an event loop: the keeper's, or that of a gunicorn worker or a
command.
"""
