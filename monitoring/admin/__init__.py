"""The admin of what is watched, a module for each part; Django asks for this package, which brings them all."""

from monitoring.admin import alerts, notification, recommendations, thresholds

__all__ = ["alerts", "notification", "recommendations", "thresholds"]
