import re, pytest
from tests.browser import test_every_page as t
from tests.browser.test_every_page import axe  # noqa
pytestmark = pytest.mark.browser
@pytest.mark.parametrize("language", ["en","zh"])
def test_tmp(visit, served, heard, axe, monkeypatch, language):
    monkeypatch.setattr(t, "is_program", lambda e, o=t.is_program: o(e) or not e.startswith("notices"))
    t.test_every_page_is_sound_for_everybody(visit, served, heard, axe, language)
