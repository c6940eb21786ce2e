"""What the pages of figures fill of the kernel's ports, once at the start."""

from monitoring.explorer import panels
from orchestra.kernel import registry
from orchestra.kernel.registry import Room


def register() -> None:
    registry.rooms.register("figures", Room("Watch", 695, "Figures", "chart-line", "figures"))
    registry.links.register("figures of agent", lambda pk: panels.address("agent", pk) if pk.isdigit() else None)
    registry.links.register("figures of pool", lambda pk: panels.address("pool", pk) if pk.isdigit() else None)
    for page, panel in panels.panels():
        registry.panels.register(f"figures on {page}", (page, panel))
