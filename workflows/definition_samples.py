"""What the editor of definitions begins with, and examples of each kind of step to put into one. Pure."""

from dataclasses import dataclass

TEMPLATE = """\
# What it is called: lower-case letters, digits and underscores.
name: my_workflow
title: My workflow

# What a run is given, as a JSON Schema: its fields make the form
# that starts a run.
input_schema:
  type: object
  properties:
    subject: {type: string, title: What it is about}

# What is done. A step needs the one above it, unless it says which.
steps:
  - name: approve
    title: May this go on?
    human:
      role: operator
      form:
        type: object
        required: [approved]
        properties:
          approved: {type: boolean, title: It may}

  # For example; add others with the buttons.
  # - name: carry_out
  #   when: steps.approve.output.approved
  #   capabilities: [work]
  #   input: {subject: subject}
  #   timeout: 30s
  #   retry: {attempts: 3, delay: 1s}

# What a run returns.
output: {approved: steps.approve.output.approved}
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """An example of a kind of step, as an entry of ``steps``; ``label`` is what its button says."""

    kind: str
    label: str
    text: str


SAMPLES = (
    Sample(
        "agent",
        "Agent",
        """\
- name: carry_out
  capabilities: [work]
  timeout: 30s
  retry: {attempts: 3, delay: 1s}
""",
    ),
    Sample(
        "human",
        "Person",
        """\
- name: ask
  title: What shall be done?
  human:
    role: operator
    form:
      type: object
      required: [answer]
      properties:
        answer: {type: string}
    timeout: 4h
    on_timeout: escalate
""",
    ),
    Sample("wait", "Timer", "- {name: pause, wait: 15m}\n"),
    Sample("signal", "Signal", "- {name: arrival, signal: arrived, timeout: 24h}\n"),
    Sample(
        "workflow",
        "Workflow",
        """\
- name: hand_over
  workflow: another_workflow
""",
    ),
    Sample(
        "first_of",
        "First of several",
        """\
- name: whichever
  first_of:
    - {signal: arrived}
    - {name: too_late, wait: 2d}
""",
    ),
    Sample("end", "End", "- {name: stop, when: 'false', end: failed}\n"),
    Sample(
        "for_each",
        "For each item",
        """\
- name: each_line
  capabilities: [work]
  for_each: lines
  as: line
  max_parallel: 10
  input: {line: line}
""",
    ),
    Sample(
        "repeat",
        "Repeated",
        """\
- name: poll
  capabilities: [work]
  repeat: {until: steps.poll.output.done, max: 100, delay: 10m}
""",
    ),
    Sample(
        "compensate",
        "With compensation",
        """\
- name: charge
  capabilities: [work]
  effects: true
  compensate:
    capabilities: [work]
    retry: {attempts: 10, delay: 5s}
""",
    ),
)
