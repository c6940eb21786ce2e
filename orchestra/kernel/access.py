"""Who may do what: the one place where roles are checked.

A verb names its permission and calls :func:`check`; the module of the verb says with :func:`grant` which role it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from orchestra.kernel.errors import Forbidden
from orchestra.kernel.models import Role, User

RANK = {Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMIN: 3}
PERMISSIONS: dict[str, Role] = {}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person (with a role), an agent (with kind, model and version), or the system itself."""

    kind: str
    id: str
    label: str
    role: str = ""
    on_behalf_of: str = ""
    model: str = ""
    version: str = ""

    @classmethod
    def system(cls, name: str) -> Self:
        """A part of Orchestra that acts by itself, for example ``engine`` or ``triage rules``."""
        return cls("system", name, name)


ANONYMOUS = Actor("person", "", "someone not signed in")


def actor_of(user: Any, *, role: str = "") -> Actor:
    """The person behind a request; ``role`` is that of the token where one was used, never more than the person's."""
    if not isinstance(user, User) or not user.is_active:
        return ANONYMOUS
    return Actor("person", str(user.pk), user.label, role=_lower(user.role, role or user.role))


def grant(permissions: Mapping[str, Role]) -> None:
    """Say which role each permission needs; called once by each verb module."""
    PERMISSIONS.update(permissions)


def allows(actor: Actor, permission: str) -> bool:
    """Whether ``actor`` may do this. Agents and the system act through code that was decided on, so they may."""
    if actor.kind != "person":
        return True
    return RANK.get(Role(actor.role), 0) >= RANK[PERMISSIONS[permission]] if actor.role else False


def check(actor: Actor, permission: str, *, target: Any = None) -> None:
    """Raise :class:`Forbidden` unless ``actor`` may do this; the edge records the refusal, as one about ``target``."""
    if not allows(actor, permission):
        needed = Role(PERMISSIONS[permission]).label.lower()
        sentence = f"This needs the role {needed}; ask an administrator for it."
        raise Forbidden(sentence, target=target, permission=permission)


def can(user: Any, permission: str) -> bool:
    """Whether the person may do this: for pages, to offer only what would be allowed."""
    return allows(actor_of(user), permission)


def _lower(one: str, other: str) -> str:
    return min(one, other, key=lambda role: RANK[Role(role)])
