"""Recommendations: seen and searched here, decided on through the verbs on their own pages."""

from django.contrib import admin

from monitoring.models import Recommendation
from orchestra.kernel.recorded_admin import ReadOnlyAdmin


@admin.register(Recommendation)
class RecommendationAdmin(ReadOnlyAdmin):
    kind = "recommendation"
    list_display = ["id", "rule", "subject_label", "sentence", "status", "weight", "created_at", "decided_by"]
    list_filter = ["status", "rule"]
    search_fields = ["sentence", "subject_label"]
    ordering = ["-id"]
