"""How each kind of database tells of commits; ``doorbell.py`` chooses one."""
