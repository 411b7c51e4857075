from __future__ import annotations
import io
import pytest
from tests.core.files.conftest import *
from tests.core.files.test_pages import *

def test_t5(shelf, make_site, make_app):
    found = shelf.bring(PDF)
    site = make_site(instance=shelf.site.runtime.instance)
    off = make_app(site=Site.open(site.runtime, enabled=()))
    r = off.test_client().get(f"/files/{found.public_id}")
    print("disabled", r.status_code)

def test_t7(app, editor, shelf):
    found = shelf.bring(PDF)
    r = editor.get(f"/files/{found.public_id}")
    print("hdr", r.status_code, dict(r.headers))
    c = app.test_client()
    r = c.get(f"/files/{found.public_id}", headers={"Range": "bytes=0-3"})
    print("range", r.status_code, dict(r.headers))
    r = c.head(f"/files/{found.public_id}")
    print("head", r.status_code, dict(r.headers))
    r = c.get(f"/files/{found.public_id}", headers={"If-None-Match": "*"})
    print("inm*", r.status_code)
