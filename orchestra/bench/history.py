"""A past for benchmarks: finished runs and events by the million, written by the database itself.

The rows are as the engine leaves them, apart from the hashes of the events, which nobody verifies here.
"""

from django.db import connection

from workflows.models import WorkflowVersion

_NUMBERS = {
    "postgresql": "generate_series(%(first)s, %(last)s) AS numbers(n)",
    "sqlite": (
        "(WITH RECURSIVE numbers(n) AS (SELECT %(first)s UNION ALL SELECT n + 1 FROM numbers WHERE n < %(last)s) "
        "SELECT n FROM numbers) AS numbers"
    ),
}
_AT = {
    "postgresql": "now() - (%(last)s - n) * interval '1 second'",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-' || (%(last)s - n) || ' seconds')",
}
_RUNS = """
INSERT INTO workflows_run (id, version_id, status, priority, tier, queue, input, output, error, serves_kind, serves_id,
    correlation, started_by, depth, created_at, started_at, finished_at, ends_as, compensated, routed_by)
SELECT n, %(version)s, CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'succeeded' END, 0, '', 'default', '{{"n": 1}}',
    '{{"done": true}}', '', '', '', 'history-' || n, 'benchmark', 0, {at}, {at}, {at}, '', {no}, ''
FROM {numbers}
"""
_STEPS = """
INSERT INTO workflows_step (id, run_id, name, parent, key, status, queue, rank_at, held, input, output, error, demand,
    lock_key, lock_limit, timeout_s, attempt, round, losses, history, executor, token, available_at, waits_for,
    created_at, started_at, finished_at)
SELECT n, n, 'step_1', '', {uuid}, CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'succeeded' END, 'default', {at}, {no},
    NULL, '{{"done": true}}', '', '[["noop"],[]]', '', 0, 30, 1, 0, 0, '[]', '', 1, {at}, '', {at}, {at}, {at}
FROM {numbers}
"""
_EVENTS = """
INSERT INTO kernel_event (format, number, happened, recorded, actor_kind, actor_id, actor_label, on_behalf_of,
    actor_model, actor_version, correlation, request, action, target_kind, target_id, target_label, parent_kind,
    parent_id, parent_label, outcome, permission, address, detail_digest, previous_hash, hash)
SELECT 1, n, {at}, {at}, 'agent', n %% 7, 'noop-' || n %% 7, '', 'python', '1', 'history-' || n / 8, '',
    CASE WHEN n %% 20 = 0 THEN 'StepFailed' ELSE 'StepSucceeded' END, 'step', n, 'step_1', 'run', n / 8, 'history',
    CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'succeeded' END, '', '', '', '', ''
FROM {numbers}
"""
_CHUNK = 250_000


def runs(count: int, version: WorkflowVersion) -> None:
    """``count`` finished runs of one step each, numbered from 1, a second apart, the last of them now."""
    _fill(_RUNS, count, version=version.pk)
    _fill(_STEPS, count)
    _go_on_after("workflows_run", count)
    _go_on_after("workflows_step", count)


def events(count: int, after: int) -> None:
    """``count`` events, numbered on from ``after``."""
    _fill(_EVENTS, count, after=after)


def settle() -> None:
    """Let the database know its statistics, as it would after a while by itself."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _fill(statement: str, count: int, *, after: int = 0, version: int = 0) -> None:
    vendor = connection.vendor
    uuid = "gen_random_uuid()" if vendor == "postgresql" else "lower(hex(randomblob(16)))"
    no = "false" if vendor == "postgresql" else "0"
    text = statement.format(numbers=_NUMBERS[vendor], at=_AT[vendor], uuid=uuid, no=no)
    for first in range(after + 1, after + count + 1, _CHUNK):
        last = min(first + _CHUNK - 1, after + count)
        with connection.cursor() as cursor:
            cursor.execute(text, {"first": first, "last": last, "version": version})


def _go_on_after(table: str, count: int) -> None:
    """What is inserted next is numbered after the past."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), %s)", [count])
        else:
            cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [count, table])
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT %s, %s "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = %s)",
                [table, count, table],
            )
