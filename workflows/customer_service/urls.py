"""Addresses of this app: ``pages`` under ``/``, ``api`` under ``/api/v1/``."""

from django.urls import URLPattern, URLResolver, path

from workflows.customer_service import api as endpoints
from workflows.customer_service import knowledge_views, views

pages: list[URLPattern | URLResolver] = [
    path("desk/", views.inquiries, name="desk"),
    path("desk/new/", views.add, name="inquiry-add"),
    path("desk/<int:pk>/", views.inquiry, name="inquiry"),
    path("desk/<int:pk>/claim/", views.claim, name="inquiry-claim"),
    path("desk/<int:pk>/release/", views.release, name="inquiry-release"),
    path("desk/<int:pk>/review/", views.review, name="inquiry-review"),
    path("desk/<int:pk>/reassign/", views.reassign, name="inquiry-reassign"),
    path("desk/<int:pk>/reopen/", views.reopen, name="inquiry-reopen"),
    path("desk/<int:pk>/text/", views.text, name="inquiry-text"),
    path("desk/<int:pk>/text/discard/", views.discard, name="inquiry-discard"),
    path("desk/<int:pk>/difference/", views.difference, name="inquiry-difference"),
    path("knowledge/", knowledge_views.articles, name="knowledge"),
    path("knowledge/new/", knowledge_views.add, name="article-add"),
    path("knowledge/<int:pk>/", knowledge_views.article, name="article"),
    path("knowledge/<int:pk>/switch/", knowledge_views.switch, name="article-switch"),
    path("knowledge/<int:pk>/remove/", knowledge_views.remove, name="article-remove"),
]
api: list[URLPattern | URLResolver] = [
    path("inquiries/", endpoints.Inquiries.as_view(), name="api-inquiries"),
    path("inquiries/<int:pk>/", endpoints.InquiryPage.as_view(), name="api-inquiry"),
    path("inquiries/<int:pk>/claim/", endpoints.Claim.as_view(), name="api-inquiry-claim"),
    path("inquiries/<int:pk>/release/", endpoints.Release.as_view(), name="api-inquiry-release"),
    path("inquiries/<int:pk>/review/", endpoints.Review.as_view(), name="api-inquiry-review"),
    path("inquiries/<int:pk>/reassign/", endpoints.Reassign.as_view(), name="api-inquiry-reassign"),
    path("inquiries/<int:pk>/reopen/", endpoints.Reopen.as_view(), name="api-inquiry-reopen"),
    path("knowledge/", endpoints.Articles.as_view(), name="api-knowledge"),
    path("knowledge/<int:pk>/", endpoints.ArticlePage.as_view(), name="api-article"),
]
