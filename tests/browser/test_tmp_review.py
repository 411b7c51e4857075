import pytest
from tests.browser.test_every_page import Walker, axe, LANGUAGES, WIDTHS, filled
pytestmark = pytest.mark.browser
def test_tmp(visit, served, axe, heard):
    found=[]
    for lang in LANGUAGES:
        walker = Walker(axe, lang)
        for role in ("editor","admin"):
            page = visit(role).new_page()
            page.goto(f"/?lang={lang}")
            for n, address in enumerate(("/review","/review/mine","/review/{review}","/review/{changed}","/popsci/{waiting}")):
                page.goto(filled(address, served.records))
                page.set_viewport_size(WIDTHS[0])
                page.screenshot(path=f"/tmp/shots/{lang}-{role}-{n}.png", full_page=True)
                walker.look(page, f"{role} {address}")
        page = visit("editor").new_page(); page.goto(f"/?lang={lang}")
        page.goto(filled("/review/{review}", served.records))
        page.locator("main form[method=post] button").last.click()
        assert page.locator("[aria-invalid=true][aria-describedby]").count()
        walker.look(page, "refused")
        found += walker.found
    assert not found, "\n".join(found)
