"""Addresses of the kernel: signing in, settings of a person, probes."""

from django.contrib.auth.views import PasswordChangeDoneView
from django.urls import URLPattern, URLResolver, path

from orchestra.kernel import list_views, signin, views

pages: list[URLPattern | URLResolver] = [
    path("login/", signin.SignIn.as_view(), name="login"),
    path("logout/", signin.SignOut.as_view(), name="logout"),
    path("settings/password/", signin.ChangePassword.as_view(), name="password_change"),
    path("settings/password/done/", PasswordChangeDoneView.as_view(), name="password_change_done"),
    path("preferences/", views.preferences, name="preferences"),
    path("search/", list_views.search_page, name="search"),
    path("filters/", list_views.save_filter, name="filter-save"),
    path("filters/<int:pk>/rename/", list_views.rename_filter, name="filter-rename"),
    path("filters/<int:pk>/default/", list_views.default_filter, name="filter-default"),
    path("filters/<int:pk>/remove/", list_views.remove_filter, name="filter-remove"),
    path("settings/tokens/", views.tokens, name="tokens"),
    path("settings/tokens/<int:pk>/revoke/", views.revoke_token, name="token-revoke"),
    path("settings/people/", views.people, name="people"),
    path("settings/people/<int:pk>/", views.person, name="person"),
    path("settings/people/<int:pk>/password/", views.person_password, name="person-password"),
    path("settings/people/<int:pk>/unlock/", views.person_unlock, name="person-unlock"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
]
