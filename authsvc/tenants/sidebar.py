"""The list of pages beside every admin page: worked out and drawn once for all who may do the same on the same page."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import get_script_prefix

MOST_KEPT = 500
Pages = list[dict[str, Any]]
Made = TypeVar("Made")


class Sidebar:
    """What stands beside the pages of one site, kept by what the reader may do and where the reader is."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site
        self._kept: dict[Hashable, Any] = {}

    def pages(self, request: HttpRequest, make: Callable[[], Pages]) -> Pages:
        """Return the pages by app, as ``make`` gives them to this reader; not to be changed."""
        return self._once((self._reader(request), "pages"), make)

    def drawn(self, request: HttpRequest, pages: Pages) -> str:
        """Return the list as HTML, with the page that is shown marked."""
        urls = [url for app in pages for url in (app["app_url"], *(page["admin_url"] for page in app["models"]))]
        here = tuple(url for url in urls if url and url in request.path)
        context = {"available_apps": pages, "request": request}
        return self._once((self._reader(request), here), lambda: render_to_string("admin/nav_sidebar.html", context))

    def _reader(self, request: HttpRequest) -> Hashable:
        """Return what decides which pages and links there are."""
        known, user = request.__dict__, request.user
        if known.get("house_reader", (None,))[0] is not user:
            pages = cast(Any, self._site)._registry.values()
            allowed = tuple((*page.get_model_perms(request).values(),) for page in pages)
            known["house_reader"] = user, (get_script_prefix(), allowed)
        reader: Hashable = known["house_reader"][1]
        return reader

    def _once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        made: Made | None = self._kept.get(key)
        if made is None:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            made = self._kept[key] = make()
        return made
