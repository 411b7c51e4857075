from keyun.access import system
from keyun.testing import make_user, make_organization
from keyun_notices.people.resident import resident
from keyun_notices.audience.expression import *
from keyun_notices.audience.sql import condition
import sqlalchemy as sa
from keyun.accounts import User

def test_smoke(make_site):
    site = make_site("notices", "marketplace")
    with site.writing() as unit:
        a = make_user(unit, "a", region="511402", level=3)
        b = make_user(unit, "b", region="510104")
        live = resident(site)
        unit.record("user.registered", "user", a.id, system())
        unit.record("user.registered", "user", b.id, system())
        e = parse({"all": [{"attribute": "region", "within": ["511400"]}, {"not": {"attribute": "birth-year", "from": 1990}}]}, live.attributes)
        print(live.attributes.keys())
        assert list(live.matching(unit, e)) == [a.id]
        assert unit.session.scalars(sa.select(User.id).where(condition(e, live.attributes, site.regions, unit.today, "510000"))).all() == [a.id]
    with site.reading() as unit:
        assert list(live.matching(unit, e)) == [a.id]
