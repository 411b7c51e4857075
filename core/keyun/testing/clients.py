"""A browser for tests: it remembers cookies, fills in the CSRF token and can be logged in at once."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from keyun.accounts.models import User

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def browse(app: Flask) -> Browser:
    """A new visitor's browser on ``app``."""
    return Browser(app, app.response_class)


class Browser(FlaskClient):
    """Cookies, CSRF tokens and log-ins without the work."""

    def open(self, *args: Any, buffered: bool = True, **kwargs: Any) -> TestResponse:
        """Send a request and read the whole answer, so that no file stays open."""
        return super().open(*args, buffered=buffered, **kwargs)

    def log_in(self, user: User) -> None:
        """Start a session of ``user`` without the log-in form."""
        from keyun.web.login import remember

        with self.session_transaction() as session:
            remember(session, user)

    def submit(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """Send a form the way a person does, with the CSRF token of a page seen before."""
        return self.post(path, data={"csrf_token": self.csrf_token(), **(data or {})}, **more)

    def csrf_token(self) -> str:
        """A token that belongs to this session."""
        found = TOKEN.search(self.get("/login").get_data(as_text=True))
        assert found is not None, "the log-in page has no CSRF token"
        return found[1]
