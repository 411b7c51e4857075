"""The unit of work: all or nothing, one writer at a time, and words for a database that does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from keyun import db
from keyun.access import system
from keyun.accounts import Organization, User
from keyun.errors import DatabaseError
from keyun.site import Site
from keyun.testing import make_organization, make_user

MakeSite = Callable[..., Site]


def test_an_error_takes_back_rows_events_and_jobs(make_site: MakeSite) -> None:
    site = make_site()
    with pytest.raises(ZeroDivisionError), site.writing() as unit:
        make_user(unit, "li")
        unit.enqueue("core.expire")
        _ = 1 / 0
    with site.reading() as unit:
        assert unit.session.scalars(sa.select(User)).all() == []


def test_what_follows_a_commit_runs_only_after_it(make_site: MakeSite) -> None:
    site, seen = make_site(), list[str]()
    with pytest.raises(ZeroDivisionError), site.writing() as unit:
        unit.after_commit(lambda: seen.append("never"))
        _ = 1 / 0
    with site.writing() as unit:
        unit.after_commit(lambda: seen.append("after"))
        assert seen == []
    assert seen == ["after"]


def test_a_conditional_update_gives_ten_places_to_ten_of_fifty(make_site: MakeSite) -> None:
    """An invariant is a conditional UPDATE whose row count decides, on both databases."""
    site = make_site()
    with site.writing() as unit:
        base = make_organization(unit, "base", summary="10")
        number = base.id
    won: list[int] = []

    def book(who: int) -> None:
        with site.writing() as unit:
            left = sa.cast(Organization.summary, sa.Integer)
            change = (
                sa.update(Organization)
                .where(Organization.id == number, left > 0)
                .values(summary=sa.cast(left - 1, sa.String))
                .execution_options(synchronize_session=False)
            )
            if unit.session.execute(change).rowcount:  # type: ignore[attr-defined]
                unit.record("place.booked", "organization", number, system(), who=who)
                won.append(who)

    threads = [threading.Thread(target=book, args=(n,)) for n in range(50)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(won) == 10


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_locked_database_is_told_in_words_and_nothing_is_written(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 50)
    site = make_site()
    other = make_site(instance=site.runtime.instance)
    with other.writing() as holder:
        make_user(holder, "holder")
        with pytest.raises(DatabaseError, match="稍后再试"), site.writing() as unit:
            make_user(unit, "late")
    with site.reading() as unit:
        assert [u.login for u in unit.session.scalars(sa.select(User))] == ["holder"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_readers_go_on_while_somebody_writes(make_site: MakeSite) -> None:
    site = make_site()
    with site.writing() as unit:
        make_user(unit, "before")
    with site.writing() as unit:
        make_user(unit, "during")
        with site.reading() as reader:
            assert [u.login for u in reader.session.scalars(sa.select(User))] == ["before"]
