import time, pytest, cProfile, pstats
from datetime import timedelta
from django.utils import timezone
from django.db import connection
from agents.models import Agent, AgentHealth, AgentMeasure
from monitoring.prometheus import exposition, measures as m
from tests.silent_writes import arranged


def spread(span, count, step, first):
    cols = [f.column for f in AgentMeasure._meta.concrete_fields if f.column not in ("id", "agent_id", "at", "span")]
    at = (
        "%s::timestamptz - g.n * interval '%s seconds'"
        if connection.vendor == "postgresql"
        else "datetime(%s, '-' || (g.n * %s) || ' seconds')"
    )
    with connection.cursor() as c:
        c.execute(
            f"WITH RECURSIVE g(n) AS (SELECT 0 UNION ALL SELECT n+1 FROM g WHERE n+1<{count}) INSERT INTO agents_agentmeasure (agent_id,span,at,{','.join(cols)}) SELECT a.id,{span},{at % (chr(39) + first.strftime('%Y-%m-%d %H:%M:%S') + ('+00' if connection.vendor == 'postgresql' else '') + chr(39), step)},{','.join('m.' + x for x in cols)} FROM agents_agent a, agents_agentmeasure m, g WHERE m.span=60 AND m.agent_id=0"
        )


@pytest.mark.django_db
def test_perf():
    now = timezone.now().replace(second=0, microsecond=0)
    with arranged():
        agents = Agent.objects.bulk_create([Agent(name=f"agent-{i}", kind="python") for i in range(5000)])
        AgentHealth.objects.bulk_create([AgentHealth(agent=a, calls=5) for a in agents])
        AgentMeasure.objects.create(
            agent_id=0, span=60, at=now - timedelta(days=9), calls=5, took_10=3, took_20=2, seconds=3
        )
        t = time.time()
        spread(3600, 9, 3600, now.replace(minute=0))
        spread(60, 90, 60, now)
        print("filled", time.time() - t, AgentMeasure.objects.count())
        if connection.vendor == "postgresql":
            with connection.cursor() as c:
                c.execute("analyze agents_agentmeasure")
    for _ in range(3):
        t = time.time()
        x = m.calls(now)
        a = time.time() - t
        t = time.time()
        c, _t = exposition.answer("")
        print(connection.vendor, "calls", round(a, 2), "all", round(time.time() - t, 2), len(c), c.count(b"\n"))
    p = cProfile.Profile()
    p.enable()
    exposition.answer("")
    p.disable()
    pstats.Stats(p).sort_stats("cumtime").print_stats(18)
