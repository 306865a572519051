"""The landing page, and the one-time link that makes the administrator."""

from __future__ import annotations

from django import forms
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import SetPasswordMixin, UserCreationForm, UsernameField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from chains import accounts
from chains.models import User


class AdministratorForm(UserCreationForm):
    """What the first administrator types."""

    email = forms.EmailField(widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    password1, password2 = SetPasswordMixin.create_password_fields(label2="Password again")
    password2.help_text = ""

    class Meta:
        model = User
        fields = ("username", "email")
        field_classes = {"username": UsernameField}
        help_texts = {"username": ""}


@login_not_required
def landing(request: HttpRequest) -> HttpResponse:
    """Say in a minute what this is."""
    return render(request, "landing.html")


@login_not_required
@never_cache
@sensitive_post_parameters("password1", "password2")
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """Make the administrator and log them in, while there is none."""
    if not accounts.setup_link_is_good(token):
        return render(request, "account/setup_gone.html", status=404)
    form = AdministratorForm(request.POST or None)
    if form.is_valid():
        administrator = form.save(commit=False)
        if not accounts.make_administrator(administrator):
            return render(request, "account/setup_gone.html", status=404)
        login(request, administrator)
        return redirect("home")
    return render(request, "account/setup.html", {"form": form})
