"""Every check, in the order in which it is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from keyun.testing.contract import access, declared, documents, loading, privacy, schema, surface, texts
from keyun.testing.contract.report import Problem, Result
from keyun.testing.contract.subject import Subject

Check = Callable[[Subject], Iterable[Problem]]
#: Checks of files, which say something even of a plugin that cannot be loaded.
STATIC: tuple[Check, ...] = (
    *loading.STATIC,
    *schema.STATIC,
    *surface.STATIC,
    *texts.STATIC,
    *documents.STATIC,
)
#: Checks of the loaded plugin.
LIVE: tuple[Check, ...] = (
    *loading.LIVE, *declared.LIVE, *schema.LIVE, *access.LIVE, *privacy.LIVE, *texts.LIVE, *documents.LIVE
)  # fmt: skip
CHECKS: tuple[Check, ...] = (*STATIC, *LIVE)


def run(subject: Subject) -> Iterator[Result]:
    """Ask every check; those of the loaded plugin are skipped when it was not loaded."""
    for check in CHECKS:
        title = " ".join((check.__doc__ or "").split()).partition(". ")[0].rstrip(".")
        if check in LIVE and not subject.loaded:
            yield Result(check.__name__, title, "skipped")
            continue
        try:
            problems = tuple(check(subject))
        except Exception as e:
            problems = (
                Problem(subject.name, f"the check failed with {type(e).__name__}: {e}", "see plugin_loads"),
            )
        yield Result(check.__name__, title, "failed" if problems else "ok", problems)
