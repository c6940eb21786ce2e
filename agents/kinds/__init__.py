"""The kinds of agent, one file each."""

from agents.kinds.base import ConfigFault, Kind
from agents.kinds.human import HumanKind
from agents.kinds.python import PythonKind
from agents.models import AgentKind

KINDS: dict[str, Kind] = {AgentKind.PYTHON: PythonKind(), AgentKind.HUMAN: HumanKind()}

__all__ = ["KINDS", "ConfigFault", "Kind"]
