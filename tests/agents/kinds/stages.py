"""The stages of the contract suite, one for each kind of agent.

To add one: write ``stage_NAME.py`` beside this file with a subclass of ``stage.Stage``, as stage_http.py is one,
and name it in STAGES. A stage gives

- ``kind``, ``config`` (set in ``open``, since ports are known only then), ``secrets`` if it needs them;
- ``open`` and ``close``: real servers or processes on loopback, no mocks;
- an agent that behaves as ``input["behaviour"]`` tells it (BEHAVIOURS in stage.py) and notes key and attempt of each
  call in ``calls``;
- ``answer``: the output of the behaviour ``answers``, if it is not ``{"echo": "answers"}``;
- ``lacks``: behaviours that the kind cannot have, each with its reason, which the suite shows as it skips them;
- ``bad_configs``: configurations with one fault each, and the path that the fault names;
- ``marks``: ``[pytest.mark.django_db(transaction=True)]`` where the kind needs the database;
- ``call``, if a call does not go through ``agents.invoke`` alone: it returns the outcome that the step would get.
"""

from tests.agents.kinds.stage import Stage
from tests.agents.kinds.stage_http import HttpStage
from tests.agents.kinds.stage_human import HumanStage
from tests.agents.kinds.stage_llm import LLMStage
from tests.agents.kinds.stage_process import ProcessStage
from tests.agents.kinds.stage_python import PythonStage
from tests.agents.kinds.stage_remote import RemoteStage

STAGES: list[type[Stage]] = [PythonStage, HttpStage, ProcessStage, LLMStage, RemoteStage, HumanStage]
