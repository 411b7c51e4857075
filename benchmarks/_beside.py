"""Another process beside the one that measures, as a second web worker is.

Reads one command a line (JSON) and answers each with one line: ``{"see": key}`` waits until everybody watched
has the notice of that key in the inbox, ``{"moved": [user, region]}`` until a person is known there,
``{"publish": [name, count, regions]}`` publishes so many notices, half of the time. The answer is the
moment when that was so, of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _push import send
from keyun import config
from keyun.access import Actor
from keyun.runtime import Runtime
from keyun.site import Site
from keyun_notices.inbox.services import inbox
from keyun_notices.people.resident import resident

PATIENCE = 60.0


def main() -> None:
    """Open the instance, say that it is ready, and answer."""
    site = Site.open(Runtime(config.load(Path(sys.argv[1]), {})))
    watched = [int(user) for user in sys.argv[2].split(",") if user]
    with site.reading() as unit:
        resident(site).people(unit)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "see" in asked:
            left = list(watched)
            answer = wait(partial(everybody, site, left, asked["see"]))
        elif "moved" in asked:
            user, region = asked["moved"]
            answer = wait(partial(lives, site, user, region))
        else:
            name, count, regions = asked["publish"]
            for number in range(count):
                begin = time.monotonic()
                send(site, f"{name}-{number}", regions)
                # As long a pause as the work took: nobody publishes without taking breath.
                time.sleep(time.monotonic() - begin)
            answer = time.monotonic()
        print(json.dumps(answer), flush=True)


def wait(done: Callable[[], bool]) -> float | None:
    """The moment when ``done`` was true; None when that took too long."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if done():
            return time.monotonic()
    return None


def everybody(site: Site, left: list[int], key: str) -> bool:
    """Whether nobody is left who does not have the notice; who has it is taken off the list."""
    with site.reading() as unit:
        while left:
            page = inbox(Actor(user_id=left[-1]), unit, limit=5)
            if all(entry.notice.ikey != key for entry in page.items):
                return False
            left.pop()
    return True


def lives(site: Site, user: int, region: str) -> bool:
    """Whether this process knows the person in the region."""
    with site.reading() as unit:
        return user in resident(site).people(unit).having("region", [region])


if __name__ == "__main__":
    main()
