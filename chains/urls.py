"""The app's addresses."""

from django.urls import URLPattern, URLResolver, include, path

from chains.views import accounts, chains, home, runs, sessions, steps

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("compare", runs.compare, name="compare"),
    path("demos/<slug:slug>/open", chains.demo_open, name="demo_open"),
    path("chains/<slug:slug>/start", chains.chain_start, name="chain_start"),
    path("chains/<slug:slug>/keep", chains.chain_keep, name="chain_keep"),
    path("sessions/", sessions.session_search, name="session_search"),
    path("sessions/new", sessions.session_new, name="session_new"),
    path("sessions/<int:pk>/", sessions.session_detail, name="session_detail"),
    path("sessions/<int:pk>/send", sessions.session_send, name="session_send"),
    path("sessions/<int:pk>/rename", sessions.session_rename, name="session_rename"),
    path("sessions/<int:pk>/delete", sessions.session_delete, name="session_delete"),
    path("sessions/<int:pk>/older", sessions.session_older, name="session_older"),
    path("runs/<int:pk>/stop", runs.run_stop, name="run_stop"),
    path("runs/<int:pk>/keep", runs.run_keep, name="run_keep"),
    path("steps/<int:pk>/stop", steps.step_stop, name="step_stop"),
    path("steps/<int:pk>/text", steps.step_text, name="step_text"),
    path("welcome/", accounts.landing, name="landing"),
    path("setup/<str:token>/", accounts.setup, name="setup"),
    path("v1/", include("chains.api.urls")),
]
