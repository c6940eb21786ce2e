"""What the workers do for this app."""

from monitoring.audit import seal
from monitoring.notification import delivery


def verify_on(pk: int) -> None:
    """Verify the next slice of the audit chain."""
    seal.work_on(pk)


def verify_by_the_clock() -> None:
    """Begin the hourly verification."""
    seal.begin_by_the_clock()


def deliver(pk: int) -> None:
    """Try once to send a notification."""
    delivery.deliver(pk)
