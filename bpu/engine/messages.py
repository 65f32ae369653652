"""Every message between the keeper and its clients (workers and commands) as a typed value.

It uses the standard library only. A packet is a JSON object; its `op` names a message to the keeper, its `event` a
message from it, and `MESSAGES` has all of them. `from_packet` takes nothing but what the fields' types and bounds
allow. A field with a default may be left out of a packet, and a field that this version does not know is ignored, so
that versions can differ during an update.

Moments are seconds of the system-wide monotonic clock. `docs/engine-protocol.md` shows the messages in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from bpu.console.traits import EchoForm, Traits, TurnReport
from bpu.engine.launch_spec import LONGEST_TEXT
from bpu.engine.status import EngineStatus

#: A message as JSON has it.
Packet = dict[str, Any]


class BadPacket(Exception):
    """A packet that is no message of `MESSAGES`, or one that is not allowed now."""


@dataclass(frozen=True)
class MaxLength:
    """The most characters of a text. A longer one is refused, or cut with `cut`."""

    characters: int
    cut: bool = False


Id = Annotated[str, MaxLength(100)]
Digest = Annotated[str, MaxLength(200)]
ModelId = Annotated[str, MaxLength(200, cut=True)]

#: The largest whole number in a message: a count of tokens, a process id.
LARGEST_COUNT = 10**9
#: The largest number of seconds in a message.
LARGEST_SECONDS = 1e15


class RefusalCode(str, Enum):
    """Why the keeper refuses a job, a lifeline or an order.

    The client makes an error of `bpu.errors` of each.
    """

    ENGINE_UNAVAILABLE = "engine_unavailable"
    """The engine cannot run until a person acts."""
    ENGINE_STOPPING = "engine_stopping"
    """There is no engine for the moment; another try may help."""
    ENGINE_TIMEOUT = "engine_timeout"
    """The model was not loaded within its time limit."""
    QUEUE_FULL = "queue_full"
    """The queue is at its limit."""
    JOB_CANCELLED = "job_cancelled"
    """The job was cancelled by its id."""


class Message:
    """Base class of all messages."""


# From a client to the keeper


@dataclass(frozen=True, kw_only=True)
class NamesLaunch(Message):
    """Names a launch, so that a keeper that does not know it can register it.

    `fingerprint` identifies the launch, `launch` is its JSON (`LaunchSpec.text`; may be left out for a known one),
    `table` is the fingerprint of the gateway's table of models, `previous` are those of its earlier tables.
    """

    fingerprint: Digest
    launch: Annotated[str, MaxLength(LONGEST_TEXT)] = ""
    table: Digest = ""
    previous: tuple[Digest, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Attach(NamesLaunch):
    """Makes this connection a lifeline.

    The keeper runs while one is open, and sends every change of the status. A command names no `table`, so that the
    limits stay those of the gateway.
    """


@dataclass(frozen=True, kw_only=True)
class OfferLaunch(NamesLaunch):
    """Offers the launch of a further model.

    It has no answer: one that cannot be used is ignored.
    """


@dataclass(frozen=True, kw_only=True)
class SubmitJob(NamesLaunch):
    """Queues a job.

    This connection is the job's from now on, and its end takes the job out of the queue. `arrived` is the moment at
    which its request came. `prefix_digest` is the digest of the conversation that must be in the KV cache for the
    continuation to be valid, "" if there is none. `tokens` and `continuation_tokens` are the lengths of the whole
    prompt and of its continuation. `again`: it had a place before, so the queue's limit does not count. `needs_fresh`:
    it must be the first job after a load.
    """

    id: Id
    arrived: float
    prefix_digest: Digest
    tokens: int
    continuation_tokens: int
    again: bool = False
    needs_fresh: bool = False


@dataclass(frozen=True, kw_only=True)
class ReportProgress(Message):
    """Reports that the running job has read `tokens` tokens of the answer so far."""

    tokens: int


@dataclass(frozen=True, kw_only=True)
class EndJob(Message):
    """Gives the console back: the job has read up to the prompt.

    `digest` is that of the conversation now in the KV cache, "" if that is not known; `tokens` is the cache's fill.
    `report` holds what the turn showed of the console. `reset_sent`: the job has written `reset`.
    """

    digest: Digest
    tokens: int
    report: TurnReport
    reset_sent: bool = False


@dataclass(frozen=True, kw_only=True)
class DeclineJob(Message):
    """Gives the console back untouched.

    The job cannot run in this worker, and nothing was written.
    """


@dataclass(frozen=True, kw_only=True)
class FailJob(Message):
    """Gives the console up: it is silent, out of sync or does not end.

    The keeper ends it, and reports unless `retry`. `why` is a sentence for people. `retry`: nothing of the answer had
    come, and the job joins again by itself.
    """

    why: Annotated[str, MaxLength(500, cut=True)]
    retry: bool = False


@dataclass(frozen=True, kw_only=True)
class ListenAgain(Message):
    """Asks the keeper to make its socket's file again if it is gone.

    It has no answer.
    """


@dataclass(frozen=True, kw_only=True)
class GetStatus(Message):
    """Asks for a `StatusUpdate`."""


@dataclass(frozen=True, kw_only=True)
class CancelJob(Message):
    """Orders that the waiting or running job `id` is cancelled, whichever worker it came from."""

    id: Annotated[str, MaxLength(100, cut=True)]


@dataclass(frozen=True, kw_only=True)
class LoadModel(NamesLaunch):
    """Orders a load.

    It loads the named launch, the model with the id `model`, or else the model of the last load.
    """

    fingerprint: Digest = ""
    model: ModelId = ""


@dataclass(frozen=True, kw_only=True)
class UnloadModel(Message):
    """Orders that the BPU's memory is freed as soon as no job is left.

    With the id `model` the order is for that model alone.
    """

    model: ModelId = ""


@dataclass(frozen=True, kw_only=True)
class ExamineConsole(Message):
    """Orders an examination of the console as soon as no job is left."""


@dataclass(frozen=True, kw_only=True)
class NotifyShutdown(Message):
    """Tells that a whole gateway has stopped.

    So the keeper does not wait for a replacement worker.
    """


# From the keeper to a client


@dataclass(frozen=True, kw_only=True)
class QueuePlace(Message):
    """Tells a job its place: `position` counts from 1.

    `phase` is what the first job waits for.
    """

    position: int
    phase: Literal["queued", "loading", "checking"]


@dataclass(frozen=True, kw_only=True)
class StartJob(Message):
    """Lends a job the console; its stdin and stdout are passed beside the packet.

    `continued`: only the continuation is to be written; `cached` is the number of tokens in the KV cache that it
    continues. `banner` is what the console printed at its start. `fresh`: nothing was written since the load.
    `at_prompt`: the last turn's end was proven, so nothing can be printed now. `traits` are what is known of the
    console, `pids` its processes, `background_threads` the ids of their threads that run although the console
    waits, None while these are not known. `keeps`: the console keeps its history. `resets`: the job is to write `reset`
    at its end.
    """

    continued: bool
    cached: int
    banner: str
    fresh: bool
    at_prompt: bool
    traits: Traits
    pids: tuple[int, ...]
    background_threads: tuple[int, ...] | None
    keeps: bool
    resets: bool


@dataclass(frozen=True, kw_only=True)
class ExitReport(Message):
    """Tells the running job that its console has ended.

    `message` is a sentence for people. `permanent`: a person must act before another try can help. `how` is the exit
    status or signal, "" while that is not known, `log` the console's last log lines.
    """

    message: str
    permanent: bool
    how: str
    log: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Refusal(Message):
    """Refuses a job, a lifeline or an order.

    `kind` is the stable code of the error, `message` a sentence for people, `retry_after` the seconds after which
    another try may help, None where it cannot; `log` are the console's last log lines, if they explain it.
    """

    kind: RefusalCode
    message: str
    retry_after: float | None
    log: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StatusUpdate(Message):
    """Tells the engine's status.

    It goes to a lifeline after every change, and is the answer to `GetStatus`.
    """

    status: EngineStatus


@dataclass(frozen=True, kw_only=True)
class OrderDone(Message):
    """Answers the order with the name `op`.

    `done` is False if there was nothing to do, as no job of that id.
    """

    op: Annotated[str, MaxLength(100)]
    done: bool


#: All messages, by the key and the name that a packet has.
MESSAGES: dict[tuple[Literal["op", "event"], str], type[Message]] = {
    ("op", "attach"): Attach,
    ("op", "model"): OfferLaunch,
    ("op", "job"): SubmitJob,
    ("op", "progress"): ReportProgress,
    ("op", "end"): EndJob,
    ("op", "decline"): DeclineJob,
    ("op", "fail"): FailJob,
    ("op", "listen"): ListenAgain,
    ("op", "status"): GetStatus,
    ("op", "cancel"): CancelJob,
    ("op", "load"): LoadModel,
    ("op", "unload"): UnloadModel,
    ("op", "examine"): ExamineConsole,
    ("op", "shutdown"): NotifyShutdown,
    ("event", "place"): QueuePlace,
    ("event", "start"): StartJob,
    ("event", "exit"): ExitReport,
    ("event", "refused"): Refusal,
    ("event", "status"): StatusUpdate,
    ("event", "done"): OrderDone,
}
_KEYS = {kind: key for key, kind in MESSAGES.items()}


def name_of(message: Message) -> str:
    """The name of a message in a packet."""
    return _KEYS[type(message)][1]


def to_packet(message: Message) -> Packet:
    """Return the packet of `message`."""
    key, name = _KEYS[type(message)]
    return {key: name, **_to_object(message)}


def from_packet(packet: Packet) -> Message:
    """Return the message in `packet`. Raises `BadPacket`."""
    key: Literal["op", "event"] = (
        "event" if "event" in packet else "op"
    )  # a message from the keeper may have a field `op`
    name = packet.get(key)
    kind = MESSAGES.get((key, name)) if isinstance(name, str) else None
    if kind is None:
        raise BadPacket(f"unknown message {name!r:.50}")
    message: Message = _READERS[kind](packet)
    return message


# Values as JSON

#: Types that JSON has; a status with a full queue has a thousand such values.
_SCALARS = {str, int, float, bool, NoneType}


def _to_object(value: object) -> Packet:
    optional = _DEFAULTS[type(value)]
    return {
        name: field if type(field) in _SCALARS else _to_json(field)
        for name, field in vars(value).items()
        if name not in optional or field != optional[name]
    }


def _to_json(value: Any) -> Any:
    kind = type(value)
    if kind in _DEFAULTS:
        return _to_object(value)
    if kind is EchoForm:
        # Bytes are text of one character a byte.
        return [value.prefix.decode("latin-1"), value.suffix.decode("latin-1"), value.continued]
    if kind is tuple:
        return [one if type(one) in _SCALARS else _to_json(one) for one in value]
    if kind is dict:
        return {name: _to_json(one) for name, one in value.items()}
    return value


# JSON as values: a reader for each type, made once

_Reader = Callable[[Any], Any]
#: The default values of the fields that have one, by class.
_DEFAULTS: dict[type, dict[str, Any]] = {}
_READERS: dict[type, _Reader] = {}


def _read_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadPacket("not a truth value")
    return value


def _read_count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
        raise BadPacket("not a count")
    return value


def _read_seconds(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= LARGEST_SECONDS:
        raise BadPacket("not a number of seconds")  # also rejects NaN
    return float(value)


def _read_text(value: Any, limit: MaxLength | None = None) -> str:
    if not isinstance(value, str):
        raise BadPacket("not a text")
    if limit is None or len(value) <= limit.characters:
        return value
    if not limit.cut:
        raise BadPacket("a text that is too long")
    return value[: limit.characters]


_ECHO_FIELDS = len(fields(EchoForm))


def _read_echo(value: Any) -> EchoForm:
    if not isinstance(value, list) or len(value) != _ECHO_FIELDS:
        raise BadPacket("not an echo's form")
    try:
        prefix, suffix = (_read_text(text).encode("latin-1") for text in value[:2])
    except UnicodeEncodeError as error:
        raise BadPacket("not bytes") from error
    return EchoForm(prefix, suffix, _read_bool(value[2]))


def _read_list(value: Any, reader: _Reader) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise BadPacket("not a list")
    return tuple(map(reader, value))


def _read_dict(value: Any, reader: _Reader) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadPacket("not an object")
    return {name: reader(one) for name, one in value.items()}


def _read_choice(value: Any, choices: Sequence[Any]) -> Any:
    for choice in choices:
        if isinstance(value, str) and value == choice:
            return choice
    raise BadPacket("not one of the choices")


_PLAIN: dict[Any, _Reader] = {
    bool: _read_bool,
    int: _read_count,
    float: _read_seconds,
    str: _read_text,
    EchoForm: _read_echo,
}


def _reader_of(hint: Any) -> _Reader:
    """The reader of the values that a type hint allows."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is Annotated:
        return lambda value: _read_text(value, args[1])
    if origin in (Union, UnionType):
        (inner,) = (_reader_of(one) for one in args if one is not NoneType)
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        reader = _reader_of(args[0])
        return lambda value: _read_list(value, reader)
    if origin is dict:
        reader = _reader_of(args[1])
        return lambda value: _read_dict(value, reader)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return _dataclass_reader(hint)
    choices = args if origin is Literal else tuple(hint)
    return lambda value: _read_choice(value, choices)


def _dataclass_reader(kind: type) -> _Reader:
    if kind in _READERS:
        return _READERS[kind]
    hints = get_type_hints(kind, include_extras=True)
    readers = {one.name: _reader_of(hints[one.name]) for one in fields(kind)}
    _DEFAULTS[kind] = {one.name: one.default for one in fields(kind) if one.default is not MISSING}
    required = readers.keys() - _DEFAULTS[kind].keys()

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise BadPacket("not an object")
        if not required <= value.keys():
            raise BadPacket("a field is missing")
        return kind(**{name: reader(value[name]) for name, reader in readers.items() if name in value})

    _READERS[kind] = read
    return read


for _kind in MESSAGES.values():
    _dataclass_reader(_kind)
