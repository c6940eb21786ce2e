"""The kinds of agent, one file each."""

from agents.kinds.base import ConfigFault, Kind
from agents.kinds.http import HttpKind
from agents.kinds.human import HumanKind
from agents.kinds.llm import LLMKind
from agents.kinds.process import ProcessKind
from agents.kinds.python import PythonKind
from agents.kinds.remote import RemoteKind
from agents.models import AgentKind

KINDS: dict[str, Kind] = {
    AgentKind.PYTHON: PythonKind(),
    AgentKind.HTTP: HttpKind(),
    AgentKind.REMOTE: RemoteKind(),
    AgentKind.LLM: LLMKind(),
    AgentKind.PROCESS: ProcessKind(),
    AgentKind.HUMAN: HumanKind(),
}

__all__ = ["KINDS", "ConfigFault", "Kind"]
