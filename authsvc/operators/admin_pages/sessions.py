"""The page of one's own sessions: where one is signed in, and out with it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from authsvc.operators.admin_pages.asking import self_caller, this_moment
from authsvc.operators.sessions import end_session, end_sessions, open_sessions
from authsvc.tenants.admin_site import operator_of
from authsvc.web.problems import NotFound


def sessions_page(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """List the operator's own sessions; end one, or all but this one."""
    operator, now, key = operator_of(request), this_moment(), str(request.session.session_key or "")
    caller = self_caller(request, operator)
    if request.method == "POST":
        if "everywhere" in request.POST:
            ended = end_sessions(caller, operator=operator, now=now, but_key=key)
            messages.success(request, f"Signed out elsewhere: {ended}.")
        else:
            try:
                end_session(caller, operator=operator, session_id=request.POST.get("end", ""), now=now)
            except NotFound as missing:
                raise Http404 from missing
            messages.success(request, "That browser is signed out.")
        return HttpResponseRedirect(reverse("admin:sessions"))
    sessions = open_sessions(operator, now=now, current_key=key)
    context = {**site.each_context(request), "title": "Where you are signed in", "sessions": sessions}
    return TemplateResponse(request, "admin/sessions.html", context)
