"""The app's addresses."""

from django.urls import URLPattern, URLResolver, include, path

from chains.views import accounts

urlpatterns: list[URLPattern | URLResolver] = [
    path("welcome/", accounts.landing, name="landing"),
    path("setup/<str:token>/", accounts.setup, name="setup"),
    path("v1/", include("chains.api.urls")),
]
