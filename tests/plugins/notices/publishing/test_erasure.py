"""Who leaves is forgotten in every frozen audience; what stays proves the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.access import system
from keyun.accounts import User
from keyun.accounts.personal import erase, export
from keyun.errors import Forbidden
from keyun_notices.publishing import frozen, jobs, leaving
from keyun_notices.publishing.models import Addressed, Notice
from keyun_notices.publishing.proof import prove, prove_person, pseudonym, pseudonyms
from keyun_notices.publishing.services import addressed

Push = Any


def leave(push: Push, login: str) -> None:
    """``login`` has his account erased."""
    with push.site.writing() as unit:
        erase(system(), unit, unit.session.get_one(User, push.people[login]))


def proof(push: Push, ikey: str) -> Any:
    """The proof of the notice with this key."""
    return push.reading(lambda u: prove(system(), u, push.notice(ikey)))


def test_an_erased_person_is_cleared_from_every_audience_and_counted(town: Push) -> None:
    for n in range(3):
        town.publish(f"n{n}")
    town.publish("other", regions=("510185",))
    leave(town, "an")
    for n in range(3):
        assert town.addressed(f"n{n}") == {"bo", "cai"}
        notice = town.notice(f"n{n}")
        assert (notice.addressed, notice.erased) == (3, 1)
    assert town.notice("other").erased == 0
    assert town.inbox("bo") == ["n2", "n1", "n0"]


def test_a_number_is_never_given_to_somebody_else(town: Push) -> None:
    town.publish("n1")
    town.person("last")
    town.publish("n2")
    old = town.people["last"]
    leave(town, "last")
    town.person("next", region="510185")
    assert town.people["next"] > old
    assert town.inbox("next") == []


def test_the_proof_holds_before_and_after_somebody_left(town: Push) -> None:
    town.publish("n1", audience={"attribute": "level", "to": 2})
    found = proof(town, "n1")
    assert found.intact and found.present == 2 and found.seal == found.sealed == found.logged
    assert found.notice["audience"] == {"attribute": "level", "to": 2}
    assert [e["event"] for e in found.log] == ["notice.published"]
    leave(town, "an")
    after = proof(town, "n1")
    assert after.intact and after.present == 1 and after.seal != after.sealed
    assert (after.notice["addressed"], after.notice["erased"]) == (2, 1)


def test_a_note_is_not_announced_again_because_the_last_of_a_row_left(town: Push) -> None:
    town.publish("n1", regions=("511424",))
    note = town.cancel("n1")
    leave(town, "cai")
    town.publish("n2", kind="update", refers_to=("n1",), regions=("510185",), audience={"not": {"all": []}})
    assert (town.notice(note.ikey).addressed, town.notice(note.ikey).erased) == (1, 1)
    assert [e["event"] for e in proof(town, note.ikey).log] == ["notice.published"]


@pytest.mark.parametrize("change", ["add", "remove", "swap"])
def test_an_altered_audience_is_noticed(town: Push, change: str) -> None:
    town.publish("n1")
    with town.site.writing() as unit:
        row = unit.session.query(Addressed).one()
        people = frozen.unpack([row.chunk], row.bits)
        if change != "remove":
            people.add(town.people["du"])
        if change != "add":
            people.remove(town.people["an"])
        row.bits = frozen.pack(people)[1]
    assert not proof(town, "n1").intact


def test_a_seal_that_was_rewritten_differs_from_the_log(town: Push) -> None:
    notice = town.publish("n1")
    with town.site.writing() as unit:
        frozen.drop(unit.session, notice.id)
        from pyroaring import BitMap

        digest = frozen.freeze(unit.session, notice.id, BitMap([town.people["du"]]))
        unit.session.execute(sa.update(Notice).values(digest=digest, addressed=1))
    assert not proof(town, "n1").intact


def test_a_person_is_proved_under_a_pseudonym_that_means_nothing_elsewhere(town: Push) -> None:
    one, two = town.publish("n1"), town.publish("n2")
    number = town.people["an"]
    assert pseudonym(one, number) != pseudonym(two, number)
    listed = town.reading(lambda u: list(pseudonyms(system(), u, one)))
    assert len(listed) == 3 and pseudonym(one, number) in listed
    assert pseudonym(one, town.people["du"]) not in listed

    def ask(login: str) -> Any:
        return town.reading(
            lambda u: prove_person(system(), u, one, u.session.get_one(User, town.people[login]))
        )

    said = ask("an")
    assert (
        said["addressed"] and said["pseudonym"] == pseudonym(one, number) and said["conditions_now"]["holds"]
    )
    assert not ask("du")["addressed"]
    leave(town, "an")
    left = town.reading(lambda u: list(pseudonyms(system(), u, one)))
    assert pseudonym(one, number) not in left and len(left) == 2


def test_nothing_of_a_proof_names_a_person(town: Push) -> None:
    town.person("wang", name="王五", region="511402", phone="13800138000")
    town.publish("n1")
    from dataclasses import asdict

    text = json.dumps(asdict(proof(town, "n1")), ensure_ascii=False, default=str)
    for personal in ("王五", "13800138000", "wang"):
        assert personal not in text


def test_only_an_administrator_of_the_region_proves(town: Push) -> None:
    notice = town.publish("n1", by=town.actor("staff"))
    assert town.reading(lambda u: prove(town.actor("admin"), u, notice)).intact
    for login in ("staff", "an"):
        with pytest.raises(Forbidden):
            town.reading(lambda u, login=login: prove(town.actor(login), u, notice))


def test_a_person_is_handed_what_addressed_him_and_what_he_did(town: Push) -> None:
    from keyun_notices.inbox import services as inbox

    notice = town.publish("n1", title="领取种子")
    town.publish("n2", regions=("510185",))
    town.writing(lambda u: inbox.open_(town.actor("an"), u, notice.public_id))
    held = town.reading(lambda u: export(system(), u, u.session.get_one(User, town.people["an"])))
    assert [r["title"] for r in held["notices_addressed"]] == ["领取种子"]
    assert len(held["notices_receipt"]) == 1
    assert "salt" not in json.dumps(held["notices_notice"], default=str)


def test_a_sender_who_leaves_takes_his_name_along_and_the_notice_stays(town: Push) -> None:
    town.publish("n1", by=town.actor("staff"))
    leave(town, "staff")
    assert town.notice("n1").sender_id is None
    assert town.inbox("an") == ["n1"]
    with pytest.raises(Forbidden):
        town.person("staff2", roles=[("staff", "511400")])
        town.cancel("n1", by=town.actor("staff2"))
    town.cancel("n1", by=town.actor("admin"))
    assert town.inbox("an") == ["cancel:n1"]


def test_a_note_after_somebody_left_is_told_once(town: Push) -> None:
    town.publish("n1")
    town.cancel("n1")
    leave(town, "an")
    note = town.notice("cancel:n1")
    town.publish("late", kind="update", refers_to=("n1",))
    after = town.notice("cancel:n1")
    assert after.published_at == note.published_at
    assert town.addressed("cancel:n1") == {"bo", "cai"}
    assert proof(town, "cancel:n1").intact


def test_who_left_while_the_plugin_was_off_is_cleared_later(
    town: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.publish("n1")
    with monkeypatch.context() as patch:
        patch.setattr(leaving, "forget", lambda unit, user_id: None)
        leave(town, "an")
    number = town.people["an"]
    assert number in town.reading(lambda u: addressed(u, town.notice("n1")))
    jobs.forget(town.site)
    jobs.forget(town.site)
    assert number not in town.reading(lambda u: addressed(u, town.notice("n1")))
    assert town.notice("n1").erased == 1 and proof(town, "n1").intact
    leave(town, "bo")
    jobs.forget(town.site)
    assert town.notice("n1").erased == 2
