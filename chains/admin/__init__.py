"""The admin: staff set up providers, models and chains here, and see what runs. One noun per file."""

from django.contrib import admin

from chains.admin import chains, people, providers, runs, sessions

__all__ = ["chains", "people", "providers", "runs", "sessions"]

admin.site.site_header = admin.site.site_title = "chain-chat administration"
admin.site.index_title = "Everything"
