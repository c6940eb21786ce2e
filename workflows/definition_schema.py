"""The form of a definition as JSON Schema, draft 2020-12: for editors, for the API, for the reader's field names. Pure.

It says what stands where. What a schema cannot say (a cycle, an expression that does not parse, effects that nothing
undoes) the reader says.
"""

from collections.abc import Mapping
from typing import Any

from agents.matching import MAX_CHOICES, MAX_SPECS

MAX_STEPS = 500
MAX_UNITS = 1_000_000
MAX_ATTEMPTS = 100
MAX_FACTOR = 100
MAX_PARALLEL = 10_000
MAX_ROUNDS = 10_000
MAX_LIMIT = 10_000
MAX_BRANCHES = 20
NAME = "[a-z][a-z0-9_]{0,99}"
WORD = "[A-Za-z][A-Za-z0-9_.:-]{0,99}"
DURATION = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)"
ROLES = ("operator", "admin")
ON_TIMEOUT = ON_FAILURE = ("fail", "skip", "escalate")
ENDS = ("succeeded", "failed", "cancelled")
KINDS = ("capabilities", "human", "wait", "signal", "workflow", "first_of", "end")
"""The fields that say what kind a step is: it has exactly one of them."""

Schema = dict[str, Any]


def _ref(name: str, description: str, **more: Any) -> Schema:
    return {"$ref": f"#/$defs/{name}", "description": description, **more}


def _text(description: str, longest: int = 200, **more: Any) -> Schema:
    return {"type": "string", "maxLength": longest, "description": description, **more}


def _choice(description: str, choices: tuple[str, ...], **more: Any) -> Schema:
    return {"enum": list(choices), "description": description, **more}


def _whole(description: str, least: int, most: int, **more: Any) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, "description": description, **more}


def _flag(description: str, default: bool) -> Schema:
    return {"type": "boolean", "default": default, "description": description}


def _list(description: str, of: str, **more: Any) -> Schema:
    return {"type": "array", "items": {"$ref": f"#/$defs/{of}"}, "description": description, **more}


def _table(description: str, properties: Schema, *required: str, **more: Any) -> Schema:
    needed = {"required": list(required)} if required else {}
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        **needed,
        "additionalProperties": False,
        **more,
    }


def _one_of(name: str, schema: Schema) -> Schema:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


_RETRY: Schema = {
    "attempts": _whole("How often it is tried in all.", 1, MAX_ATTEMPTS, default=1),
    "delay": _ref("duration", "From the first failure to the second try.", default=1),
    "factor": {
        "type": "number",
        "minimum": 1,
        "maximum": MAX_FACTOR,
        "default": 2,
        "description": "How much longer each further wait is than the one before.",
    },
    "max_delay": _ref("duration", "The longest wait between two tries.", default=60),
    "jitter": _flag("Waits vary by chance between half and all of their length, so that a crowd spreads out.", True),
}

_STEP: Schema = {
    "name": _ref("name", "What the other steps and expressions call it; once in a definition."),
    "title": _text("What people read in place of the name.", default=""),
    "needs": _list(
        "The steps that must have ended before it begins. If not given, the step above it; [] begins at once.",
        "name",
        uniqueItems=True,
    ),
    "join": _whole(
        "It begins as soon as so many of its needs have succeeded, and fails when no longer so many can. "
        "If not given, when all have ended.",
        1,
        MAX_STEPS,
    ),
    "when": _ref("condition", "The step is skipped unless this holds.", default=""),
    "capabilities": _list("An agent does it: what the agent must be able to do, all of it.", "template", minItems=1),
    "prefers": _list("What makes an agent the better choice, though it is not needed.", "template", default=[]),
    "human": _ref("human", "A person does it."),
    "wait": _ref("duration", "It only lets this time pass."),
    "signal": _ref("word", "It waits until the run is sent the signal of this name; the payload is its output."),
    "workflow": _ref("name", "It runs the newest version of another workflow, and its output is that run's."),
    "first_of": _list(
        "It waits for several events: the first wins, the others are withdrawn. The output names the `winner`.",
        "branch",
        minItems=2,
        maxItems=MAX_BRANCHES,
    ),
    "end": _choice("It ends the whole run like this.", ENDS),
    "input": _ref(
        "data", "What it is given: expressions over the run's input and `steps.NAME.output`. If not given, all."
    ),
    "timeout": _ref(
        "duration",
        "The longest that one try may take, at most a day: 30 s if not given. For a signal or a sub-workflow, how long "
        "it is waited for: without end if not given.",
        default=30,
    ),
    "critical": _flag("Its failure ends the run.", True),
    "effects": _flag("It changes the outside world: before a later critical step it must say how it is undone.", False),
    "retry": _ref("retry", "How often it is tried, and how long it waits between tries. If not given, once."),
    "on_failure": _choice(
        "When no try is left: the step fails, counts as skipped, or a person takes over.", ON_FAILURE, default="fail"
    ),
    "compensate": _ref("compensate", "What undoes it when the run fails or is cancelled after it had succeeded."),
    "cancels": _list("Steps that are withdrawn when this one has succeeded.", "name", default=[], uniqueItems=True),
    "for_each": _ref(
        "query", "A list: the step is done once for each item, with the item under the name given by `as`."
    ),
    "as": _ref("name", "What expressions of a `for_each` step call the item.", default="item"),
    "max_parallel": _whole("How many items of a `for_each` are worked on at a time.", 1, MAX_PARALLEL, default=10),
    "repeat": _ref("repeat", "It is done again until a condition holds."),
    "concurrency": _ref("concurrency", "How many steps with the same key may run at a time, over all runs."),
    "resources": _list("What it holds while it runs.", "resource", default=[]),
    "actions": _list("What it does to which object: detection of conflicts compares these.", "action", default=[]),
}

_DEFS: Schema = {
    "name": {"type": "string", "pattern": f"^{NAME}$", "description": "Lower-case letters, digits and underscores."},
    "word": {"type": "string", "pattern": f"^{WORD}$", "description": "Letters, digits, and `_ . : -`."},
    "template": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "description": "A text in which each {{ expression }} is replaced by its value.",
    },
    "query": {"type": "string", "minLength": 1, "maxLength": 2000, "description": "A JMESPath expression."},
    "condition": {"type": "string", "maxLength": 500, "description": "A CEL expression, without macros but has()."},
    "data": {
        "description": "Any JSON value; each text in it is a JMESPath expression, a fixed text is written as 'text'.",
        "type": ["string", "number", "boolean", "null", "array", "object"],
    },
    "duration": {
        "description": "Seconds as a number, or a text such as 500ms, 30s, 15m, 2h or 7d.",
        "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": f"^{DURATION}$"}],
    },
    "human": _table(
        "What a person is asked.",
        {
            "role": _choice("Who may answer.", ROLES, default="operator"),
            "title": _text("The question, if it is not the step's title.", default=""),
            "form": {
                "type": "object",
                "description": "A JSON Schema that the answer must fit; its fields make the form.",
            },
            "timeout": _ref("duration", "How long an answer is waited for. If not given, without end."),
            "on_timeout": _choice(
                "Without an answer in time: the step fails, counts as skipped, or waits on for an administrator.",
                ON_TIMEOUT,
                default="fail",
            ),
        },
    ),
    "retry": _table("When a try has failed.", _RETRY),
    "undo_retry": _table(
        "When a try to undo has failed.",
        {**_RETRY, "attempts": {**_RETRY["attempts"], "default": 5}},
    ),
    "compensate": _table(
        "What undoes a step.",
        {
            "capabilities": _list("What the agent must be able to do.", "template", minItems=1),
            "prefers": _list("What makes an agent the better choice.", "template", default=[]),
            "input": _ref(
                "data", "Sees `input` and `output` of the step beside all else. If not given, it is given those two."
            ),
            "timeout": _ref("duration", "The longest that one try may take.", default=30),
            "retry": _ref("undo_retry", "How often it is tried. If not given, five times."),
        },
        "capabilities",
    ),
    "repeat": _table(
        "A step that is done again after each success.",
        {
            "until": _ref("condition", "When it is enough; sees the step's own newest output.", minLength=1),
            "max": _whole("After so many times the step fails.", 1, MAX_ROUNDS, default=100),
            "delay": _ref("duration", "From one time to the next.", default=0),
        },
        "until",
    ),
    "concurrency": _table(
        "A limit of its own for whatever shares a key.",
        {
            "key": _text("A JMESPath expression, or a text with {{ expressions }}.", 2000, minLength=1),
            "limit": _whole("How many run at a time.", 1, MAX_LIMIT, default=1),
        },
        "key",
    ),
    "branch": _table(
        "An event: a signal or the passing of time.",
        {
            "name": _ref("word", "What `winner` says if it comes first. If not given, the signal's name, or wait."),
            "signal": _ref("word", "The signal of this name is sent."),
            "wait": _ref("duration", "This time has passed."),
        },
        oneOf=[{"required": ["signal"]}, {"required": ["wait"]}],
    ),
    "want": {
        "description": "A value that it must have, or one comparison.",
        "anyOf": [
            {"type": ["string", "number", "boolean"]},
            _one_of("at_least", {"type": "number"}),
            _one_of("at_most", {"type": "number"}),
            _one_of("in", {"type": "array", "minItems": 1, "maxItems": MAX_CHOICES}),
            _one_of("range", {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
        ],
    },
    "resource": _table(
        "So many units of a kind of resource.",
        {
            "name": _ref("name", "What it is called in this workflow. If not given, after its type."),
            "type": _ref("name", "The type of the resource."),
            "units": _whole("How many units, all of one resource.", 1, MAX_UNITS, default=1),
            "specs": {
                "type": "object",
                "maxProperties": MAX_SPECS,
                "default": {},
                "additionalProperties": {"$ref": "#/$defs/want"},
                "description": "What it must be like, by property: a value, or a comparison.",
            },
        },
        "type",
    ),
    "action": _table(
        "Something done to an object.",
        {
            "entity": _ref("template", "The object, for example order:{{order.id}}."),
            "operation": _ref("word", "What is done to it."),
            "resources": _list("What else is taken for it.", "template", default=[]),
            "exclusive": _flag("Nothing else may be done to it meanwhile.", False),
            "priority": _whole("Which of two that exclude each other goes first.", -1000, 1000, default=0),
        },
        "entity",
    ),
    "step": _table("A step.", _STEP, "name", oneOf=[{"required": [kind]} for kind in KINDS]),
}

SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Workflow definition",
    **_table(
        "A workflow: its steps, what its runs are given, and what they return.",
        {
            "name": _ref("name", "What the workflow is called."),
            "title": _text("What people read in place of the name.", default=""),
            "input_schema": {"type": "object", "description": "A JSON Schema that the input of a run must fit."},
            "serves": _text("The kind of object its runs serve, whose pages begin them.", 40, default=""),
            "queue": _text("The queue its steps wait in.", 50, minLength=1, default="default"),
            "deadline": _ref("duration", "The time within which a run must end. If not given, without end."),
            "resources": _list("What a run holds from its first step to its last.", "resource", default=[]),
            "steps": _list("What is done.", "step", minItems=1, maxItems=MAX_STEPS),
            "output": {
                "type": "object",
                "additionalProperties": {"$ref": "#/$defs/data"},
                "default": {},
                "description": "What a run returns: expressions over its input and `steps.NAME.output`, by name.",
            },
        },
        "name",
        "steps",
    ),
    "$defs": _DEFS,
}


def fields_of(table: str = "") -> frozenset[str]:
    """The names of the fields that a table of a definition has; without ``table``, the definition itself."""
    found: Mapping[str, Any] = _DEFS[table] if table else SCHEMA
    return frozenset(found["properties"])
