"""How each kind of database tells of commits, and how Redis does; ``doorbell.py`` chooses."""

CHANNEL = "orchestra"
"""What PostgreSQL's notifications are named; they stay inside one database."""
