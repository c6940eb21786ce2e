"""The example system: agents, workflows and articles with which customer service works from the first minute.

Loading it again adds what is missing and changes nothing else: what an operator has edited stays edited.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents import fleet, pools, resources
from agents.models import Agent, AgentKind, Pool, Resource
from orchestra.kernel import events
from orchestra.kernel.access import Actor
from workflows import definitions
from workflows.customer_service import arrivals, flow, intake, knowledge, retrieval
from workflows.customer_service.models import Article, Category
from workflows.models import WorkflowVersion

SPECIALISTS = {
    "technical-1": Category.TECHNICAL,
    "billing-1": Category.BILLING,
    "account-1": Category.ACCOUNT,
    "product-1": Category.PRODUCT,
    "general-1": Category.GENERAL,
}
RESOURCES: tuple[dict[str, Any], ...] = (
    {
        "name": "Call-back line",
        "type": "phone_line",
        "capacity": 3,
        "specs": {"international": True},
        "description": "Calls to customers that a step makes",
    },
    {
        "name": "Remote support seat",
        "type": "support_seat",
        "capacity": 2,
        "specs": {"screen": "shared", "minutes": 60},
        "description": "Licences of the tool that sees a customer's screen",
    },
    {
        "name": "Interpreter on call",
        "type": "interpreter",
        "specs": {"languages": "de fr pl"},
        "description": "One conversation at a time",
    },
)
"""What workflows that an operator adds may hold."""
POOLS: Sequence[tuple[str, str, Mapping[str, Any]]] = (
    (
        "helpers",
        AgentKind.PYTHON,
        {
            "description": "Draft replies of any kind while the specialists are busy",
            "template": {"config": {"function": "draft_reply"}, "capabilities": ["draft_reply"], "max_concurrency": 4},
            "min_size": 0,
            "max_size": 3,
        },
    ),
    (
        "echoes",
        AgentKind.PROCESS,
        {
            "description": "Real processes that answer with what they are asked, to try tasks on",
            "template": {"config": {"command": "echo"}, "capabilities": ["echo"], "max_concurrency": 4},
            "min_size": 1,
            "max_size": 4,
        },
    ),
)
INQUIRIES = (
    {
        "subject": "Charged twice for my renewal",
        "body": "Hi, my card shows two charges of 49 € on the 20th. I only have one account. Can I get one back?",
        "name": "Maya Lindqvist",
        "email": "maya@example.com",
        "tier": "gold",
    },
    {
        "subject": "New card",
        "body": "How do I activate my new card?",
        "name": "Jonas Weber",
        "email": "jonas@example.com",
    },
    {"subject": "", "body": "Please delete all the data you have about me.", "name": "R. Castellanos"},
    {
        "subject": "PIN",
        "body": "I would like to change the PIN of my card. Where can I do that?",
        "name": "Priya N.",
        "email": "priya@example.com",
        "tier": "silver",
    },
)


@dataclass(frozen=True, slots=True)
class Made:
    """How many of ``what`` were added, of how many that the example has."""

    what: str
    added: int
    total: int


def load(by: Actor, *, inquiries: bool = False) -> list[Made]:
    """Add what is missing; ``inquiries`` adds a few questions of invented people as well."""
    with events.recording(by):
        made = [_load_agents(by), _load_pools(by), _load_resources(by), _load_workflows(by), _load_articles(by)]
        if inquiries:
            made.append(_load_inquiries(by))
    return made


def _load_agents(by: Actor) -> Made:
    wanted = list(_agents())
    known = set(Agent.objects.filter(name__in=[name for name, _, _ in wanted]).values_list("name", flat=True))
    missing = [agent for agent in wanted if agent[0] not in known]
    for name, values, capabilities in missing:
        fleet.create("python", {"name": name, **values}, capabilities, by=by)
    return Made("agents", len(missing), len(wanted))


def _load_resources(by: Actor) -> Made:
    named = Resource.objects.filter(name__in=[values["name"] for values in RESOURCES])
    known = set(named.values_list("name", flat=True))
    missing = [values for values in RESOURCES if values["name"] not in known]
    for values in missing:
        resources.create(values, by=by)
    return Made("resources", len(missing), len(RESOURCES))


def _load_pools(by: Actor) -> Made:
    known = set(Pool.objects.filter(name__in=[name for name, *_ in POOLS]).values_list("name", flat=True))
    missing = [pool for pool in POOLS if pool[0] not in known]
    for name, kind, values in missing:
        pools.create(kind, {"name": name, **values}, by=by)
    return Made("pools", len(missing), len(POOLS))


def _agents() -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    yield "triage-1", _agent("triage", "Finds out what an inquiry is about", slots=16), ["triage"]
    for name, category in SPECIALISTS.items():
        values = _agent("draft_reply", f"Drafts replies about {category.label} questions", slots=8)
        yield name, values, ["draft_reply", category.value]
    yield "quality-1", _agent("quality_check", "Judges drafts before they are sent", slots=16), ["quality_check"]
    yield "mailer-1", _agent("send_reply", "Sends replies by e-mail", slots=16), ["send_reply"]


def _agent(name: str, description: str, *, slots: int) -> dict[str, Any]:
    return {"config": {"function": name}, "description": description, "version": "1", "max_concurrency": slots}


def _load_workflows(by: Actor) -> Made:
    """Publish definitions that no version has ever had, so that neither an edit nor a newer release is lost."""
    wanted = list(flow.definitions())
    rows = WorkflowVersion.objects.filter(workflow__name__in=[name for name, _ in wanted])
    known = list(rows.values_list("definition", flat=True))
    missing = [(name, definition) for name, definition in wanted if definition not in known]
    for name, definition in missing:
        definitions.publish(name, definition, by=by, allow_unknown=True)  # an operator may have changed the agents
    return Made("workflows", len(missing), len(wanted))


def _load_articles(by: Actor) -> Made:
    wanted = retrieval.read_articles()
    known = set(Article.objects.exclude(key=None).values_list("key", flat=True))
    missing = [entry for entry in wanted if entry.id not in known]
    for entry in missing:
        values = {
            "title": entry.title,
            "body": entry.body.strip(),
            "category": entry.category,
            "questions": list(entry.questions),
        }
        knowledge.add(values, by=by, key=str(entry.id))
    return Made("articles", len(missing), len(wanted))


def _load_inquiries(by: Actor) -> Made:
    given = [arrivals.read({**values, "external_id": f"demo-{n}"}) for n, values in enumerate(INQUIRIES, start=1)]
    fates = intake.receive_many(given, by=by)
    return Made("inquiries", fates.count(intake.Fate.RECEIVED), len(given))
