"""The API's addresses, below ``/v1/``."""

from django.urls import path

from chains.api import views

app_name = "api"
urlpatterns = [
    path("models", views.models, name="models"),
    path("models/<path:name>", views.model, name="model"),
    path("chat/completions", views.chat_completions, name="chat_completions"),
    path("<path:path>", views.unknown, name="unknown"),
]
