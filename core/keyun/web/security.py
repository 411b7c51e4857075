"""What every answer carries and every request must satisfy: headers, CSRF, request ids, log-in limits."""

from __future__ import annotations

import re
import uuid

from flask import Flask, g, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import BadRequest
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from keyun import logs
from keyun.access import PUBLIC
from keyun.site import Site
from keyun.web import files, login
from keyun.web.context import actor, by_token

POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
        "font-src 'self'", "connect-src 'self'", "form-action 'self'", "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)  # fmt: skip
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}")
#: Where somebody may guess a password, a name or a link.
LIMITED = (
    "account.login", "account.register", "account.password",
    "password.ask", "password.reset", "leaving.close",
)  # fmt: skip
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def mount(app: Flask, site: Site) -> None:
    """Install request ids, headers, CSRF protection and the proxy setting."""
    if proxies := site.runtime.config.web["proxies"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]
    # A form left open over lunch still works: the token ends with the session.
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    csrf = CSRFProtect(app)

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex[:16]
        logs.CONTEXT.set(g.request_id)
        if getattr(app.view_functions.get(request.endpoint or ""), "keyun_files", False):
            # Before anything reads the form: what is longer is not read at all.
            request.max_content_length = files.most_bytes()
        if request.method not in SAFE_METHODS and request.endpoint and not _needs_no_token():
            csrf.protect()
        if _has_nul():
            # Nobody types one, and PostgreSQL stores none: without this every text field is a way to a fault.
            raise BadRequest()
        _admit(app, site)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.get("request_id", "-")
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = _caching()
        return response


def _admit(app: Flask, site: Site) -> None:
    """Ask for the permission that the view was marked with, before it is called."""
    mark = getattr(app.view_functions.get(request.endpoint or ""), "keyun_access", PUBLIC)
    if mark != PUBLIC:
        site.access.require(actor(), mark)


def _needs_no_token() -> bool:
    """A key in a header is not sent by a foreign page, a cookie is; who has neither can abuse nothing."""
    return by_token() or (request.path.startswith("/api/") and not request.cookies)


def _has_nul() -> bool:
    values = [*request.args.items(multi=True), *request.form.items(multi=True)]
    return "\x00" in request.path or any("\x00" in text for pair in values for text in pair)


def _caching() -> str:
    """What one person sees stays out of shared caches; what only he may see stays out of all."""
    if g.get("private_page"):
        return "no-store"
    return "no-cache" if login.user_id() is None else "private, no-cache"


def limit_logins(app: Flask, site: Site) -> None:
    """Bound how often one address may try to log in, register, or change a password."""
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://")
    rule = limiter.limit(site.runtime.config.web["login_limit"], methods=["POST"])
    for endpoint in LIMITED:
        app.view_functions[endpoint] = rule(app.view_functions[endpoint])  # type: ignore[assignment]
