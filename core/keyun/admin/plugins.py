"""What an administrator may do about plugins while the site runs: let slow hooks be called again."""

from __future__ import annotations

from keyun.access import Actor
from keyun.admin.access import require_manage
from keyun.errors import NotFound
from keyun.uow import UnitOfWork


def clear_plugin(actor: Actor, unit: UnitOfWork, name: str) -> None:
    """Forget that hooks of the plugin ``name`` were too slow, in all processes.

    :raises NotFound: when none was.
    """
    require_manage(actor, unit)
    budget = unit.site.plugins.budget
    if not any(s.plugin == name for s in budget.slow()):
        raise NotFound(f"插件 {name} 没有超时的钩子。 (No hook of {name} was too slow.)")
    # A plugin has no number; its name stands in the data.
    unit.record("plugin.cleared", "plugin", 0, actor, plugin=name)
    unit.after_commit(lambda: _clear(unit, name))


def _clear(unit: UnitOfWork, name: str) -> None:
    unit.site.plugins.budget.clear(name)
