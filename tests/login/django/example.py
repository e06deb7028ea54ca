"""Tests as an application has them; test_testing.py runs them with Django's own runner."""

from __future__ import annotations

from django.test import TestCase, TransactionTestCase

from zoho_tokenstore.login.django import close_site, tokens
from zoho_tokenstore.login.django.models import Login
from zoho_tokenstore.login.django.testing import log_in


class CoursesTest(TestCase):
    """In a transaction that is undone, as most tests of applications are."""

    def tearDown(self) -> None:
        close_site()  # with the logins, which are in memory

    def test_courses(self) -> None:
        assert self.client.get("/courses").status_code == 401
        assert self.client.get("/courses", headers={"accept": "text/html"}).status_code == 302
        log_in(self.client, "ann@zylker.example:1")
        assert self.client.get("/courses").content == b"courses of ann@zylker.example"
        assert len(list(tokens().scan())) == 1

    def test_another(self) -> None:
        """Nothing is left of the other test."""
        assert list(tokens().scan()) == []
        assert Login.objects.count() == 0

    def test_log_out(self) -> None:
        log_in(self.client, refresh_token=None)
        assert self.client.get("/who").content == b"patricia@zylker.example"
        close_site()
        assert self.client.get("/who").content == b"nobody"


class InOneThreadMore(TransactionTestCase):
    """Without a transaction."""

    def test_courses(self) -> None:
        log_in(self.client)
        assert self.client.get("/courses").status_code == 200
