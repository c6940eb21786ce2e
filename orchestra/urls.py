"""Every address: each app brings its pages and its part of the API."""

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from agents import urls as agents
from monitoring import urls as monitoring
from orchestra.kernel import urls as kernel
from workflows import urls as workflows
from workflows.customer_service import urls as customer_service

api_page = SpectacularSwaggerSplitView.as_view(url_name="schema", template_name="api/docs.html")

urlpatterns = [
    path("", include(kernel.pages)),
    *(path("", include(app.pages)) for app in (monitoring, customer_service, workflows, agents)),
    *(path("api/v1/", include(app.api)) for app in (agents, workflows, customer_service, monitoring)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", login_required(api_page), name="api-docs"),
    path("admin/", admin.site.urls),
]

handler400 = "orchestra.kernel.web.bad_request"
handler403 = "orchestra.kernel.web.forbidden"
handler404 = "orchestra.kernel.web.not_found"
handler500 = "orchestra.kernel.web.server_error"
