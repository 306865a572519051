"""The app's addresses."""

from django.urls import URLPattern, path

from chains.views import accounts

urlpatterns: list[URLPattern] = [
    path("welcome/", accounts.landing, name="landing"),
    path("setup/<str:token>/", accounts.setup, name="setup"),
]
