"""docs/reference/manifest.md"""

from __future__ import annotations

from keyun.plugins.manifest import FLAGS, LISTS, NAME, RESERVED, TEXT

#: What each key means; a key without a line here stops the generator.
MEANING = {
    "name": "the same as the entry point; the prefix of tables and templates",
    "api": 'the range of plugin API versions it works with, such as `">=1.1,<2"`',
    "title": "Chinese name; `name` when missing",
    "title_en": "English name",
    "summary": "one sentence",
    "requires": "slots that must be served; they load before it",
    "after": "slots that load before it when they are there",
    "replaces": "the slot it serves instead of the plugin of that name",
    "extends": "the plugin whose place it takes as a subclass, keeping its tables and pages; "
    "to add something beside a plugin, such as a field, use `requires`",
    "command": "its group below `keyun`; the slot when missing",
    "modules": "modules it needs that the core does not bring",
    "extra": "the extra of Keyun that brings these modules",
    "files": "folders below the instance that hold what it derives, which `purge` removes; since 1.1",
    "screens": "true: texts wait for a reviewer while the plugin cannot be loaded; since 1.1",
    "default": "whether `keyun init` enables it, for bundled plugins; true when missing",
}
REQUIRED = ("name", "api")


def manifest_page() -> str:
    """Every key of ``plugin.toml``."""
    keys = TEXT | LISTS | FLAGS
    if keys != MEANING.keys():
        raise SystemExit(f"tools/reference/manifest.py: say what {sorted(keys ^ MEANING.keys())} mean")
    lines = [
        "# Manifest reference",
        "",
        "`plugin.toml` lies in the package that the entry point names and holds one table, `[plugin]`.",
        "It is read without importing the plugin; an unknown or ill-typed key is a fault of the plugin.",
        "",
        "| key | kind | meaning |",
        "| --- | --- | --- |",
    ]
    for key, meaning in MEANING.items():
        kind = "true or false" if key in FLAGS else "list" if key in LISTS else "text"
        lines.append(f"| `{key}` | {kind}{', required' if key in REQUIRED else ''} | {meaning} |")
    reserved = ", ".join(f"`{n}`" for n in sorted(RESERVED))
    lines += [
        "",
        f"A name matches `{NAME.pattern}`, is not reserved ({reserved}), and is not the name of another",
        "installed plugin followed by an underscore and more, because tables are told apart by their prefix.",
        "`replaces` and `extends` exclude each other.",
    ]
    return "\n".join(lines) + "\n"
