"""The seal of the audit trail: how far it was verified, by whom asked, with what result. Only writer of Verification.

A verification reads the chain in slices, each a job of the main cluster that enqueues the next one. Once a day it
begins at the first event; in between, every hour, it continues where the last one ended.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from monitoring.models import Verification
from orchestra.kernel import access, chain, events, jobs, verification
from orchestra.kernel.access import Actor
from orchestra.kernel.canonical import GENESIS
from orchestra.kernel.events import Outcome, Ref
from orchestra.kernel.models import Role
from orchestra.kernel.verification import Verdict

access.grant({"audit.verify": Role.OPERATOR})

SEAL = Actor.system("seal")
SLICE_S = 8.0
STALLED_AFTER = timedelta(minutes=2)  # without a slice: its message was lost
WHOLE_EVERY = timedelta(days=1)
AT_ONCE = 50_000  # events that are verified while the one who asks waits
WORK = "monitoring.jobs.verify_on"


@dataclass(frozen=True, slots=True)
class Seal:
    """What the pages show: the last verification that ended, and the one that is going on."""

    last: Verification | None
    running: Verification | None


def seal() -> Seal:
    newest = Verification.objects.order_by("-id")
    return Seal(
        last=newest.filter(finished_at__isnull=False).first(), running=newest.filter(finished_at__isnull=True).first()
    )


def begin(by: Actor, *, whole: bool = True) -> Verification:
    """Have the chain verified by the workers: ``whole``, or on from where the last verification ended.

    Joins the verification that is going on, if there is one, and gives it a push if it has stalled.
    """
    access.check(by, "audit.verify")
    known = seal()
    if known.running is not None:
        if known.running.continued_at < timezone.now() - STALLED_AFTER:
            jobs.enqueue(WORK, known.running.pk)
        return known.running
    with events.recording(by):
        begun = _from_start(by) if whole else _continuing(by, known.last)
        if by.kind == "person":
            events.record("AuditVerificationStarted", target=_ref(begun), permission="audit.verify")
        jobs.enqueue(WORK, begun.pk)
    return begun


def begin_by_the_clock() -> None:
    """Verify on; once a day, everything."""
    last_whole = Verification.objects.filter(since=0, started_at__gt=timezone.now() - WHOLE_EVERY)
    begin(SEAL, whole=not last_whole.exists())


def work_on(pk: int, *, for_s: float = SLICE_S) -> None:
    """Verify the next slice; the last one ends the verification and records how it came out."""
    found = Verification.objects.filter(pk=pk, finished_at__isnull=True).first()
    if found is None:
        return
    before = found.events
    verdict = verification.verify(Verdict(found.events, found.erased, last_hash=found.last_hash), for_s=for_s)
    progress = {"events": verdict.events, "erased": verdict.erased, "last_hash": verdict.last_hash}
    mine = Verification.objects.filter(pk=pk, finished_at__isnull=True, events=before)
    if verdict.complete:
        _finish(mine, found, verdict, progress)
    elif mine.update(**progress, continued_at=timezone.now()):
        jobs.enqueue(WORK, pk)


def answer() -> dict[str, Any]:
    """The verdict for the API: of now where the chain is short, else of the last verification that ended.

    Events after ``events`` up to ``head`` came later, and are not part of it.
    """
    head = chain.head()
    if head <= AT_ONCE:
        return verification.verify().as_dict() | {"head": head, "verified_at": timezone.now(), "running": False}
    known = seal()
    last = known.last
    if last is None:
        verdict = Verdict().as_dict() | {"valid": None, "verified_at": None}
    else:
        verdict = Verdict(last.events, last.erased, last.first_bad, last.problem).as_dict()
        verdict |= {"verified_at": last.finished_at}
    return verdict | {"head": head, "running": known.running is not None}


def _from_start(by: Actor) -> Verification:
    return Verification.objects.create(asked_by=by.label, goal=chain.head(), events=0, last_hash=GENESIS)


def _continuing(by: Actor, last: Verification | None) -> Verification:
    if last is None or not last.valid:
        return _from_start(by)
    return Verification.objects.create(
        asked_by=by.label,
        since=last.events,
        goal=chain.head(),
        events=last.events,
        erased=last.erased,
        last_hash=last.last_hash,
    )


def _finish(mine: Any, found: Verification, verdict: Verdict, progress: dict[str, Any]) -> None:
    with events.recording(SEAL):
        result = {"first_bad": verdict.first_bad, "problem": verdict.problem}
        if not mine.update(**progress, **result, finished_at=timezone.now()):
            return  # another worker did this slice as well
        if verdict.valid:
            events.record("AuditVerified", target=_ref(found), after={"events": verdict.events})
        else:
            events.record(
                "AuditFoundBroken",
                target=_ref(found),
                after={"first_bad": verdict.first_bad},
                reason=verdict.problem,
                outcome=Outcome.FAILED,
            )


def _ref(about: Verification) -> Ref:
    return Ref("audit", about.pk, "audit trail")
