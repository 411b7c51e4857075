"""The tutorial, word for word: its files written, its changes made, its commands run, its output compared.

Keyun comes from a wheel of this checkout. What it stands on comes from the environment that runs the tests,
so that nothing is downloaded twice; ``KEYUN_TUTORIAL=fresh`` installs everything anew instead.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, CHINESE = (ROOT / f"docs/develop/tutorial{x}.md" for x in ("", ".zh-CN"))
BLOCK = re.compile(
    r"(?:^(?P<lead>[^\n]*)\n\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
NAMED = re.compile(r"`([^`\s]+)`[^`]*[:：]$")
PORT = "8000"
PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Step:
    """One block of the tutorial; ``path`` is the file it writes or changes."""

    kind: str
    body: str
    path: str = ""


def steps(page: Path) -> list[Step]:
    out = []
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        named = NAMED.search(found["lead"] or "")
        is_file = found["kind"] not in ("sh", "text")
        assert named or not is_file, f"{page.name}: no file is named before\n{found['body']}"
        out.append(Step(found["kind"], found["body"], named[1] if named and is_file else ""))
    return out


def test_both_languages_have_the_same_steps() -> None:
    assert steps(CHINESE) == steps(ENGLISH)
    assert len(steps(ENGLISH)) > 30


def change(path: Path, diff: str) -> None:
    """Apply hunks that are found by their text, as a reader does; each place must be there once."""
    text = path.read_text(encoding="utf-8")
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(old) == 1, f"{path}: not there once:\n{old}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def matches(told: str, printed: str) -> bool:
    """``told`` as a pattern: a line of dots stands for any lines, dots in a line for any text."""
    parts = [re.escape(line).replace(r"\.\.\.", ".*") for line in told.splitlines()]
    pattern = "".join(r"(?:.*\n)*" if part == ".*" else rf"{part}\n" for part in parts)
    return re.fullmatch(pattern, printed if printed.endswith("\n") else f"{printed}\n") is not None


def test_a_pattern_leaves_out_only_what_its_dots_stand_for() -> None:
    assert matches("...\n... checks, 0 failed\n", "ok a\nok b\n68 checks, 0 failed\n")
    assert not matches("... checks, 0 failed\n", "ok a\n68 checks, 0 failed\n")
    assert not matches("...\n0 failed\n", "1 failed\n")


class Reader:
    """Somebody who follows the tutorial in one shell."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.cwd, self.environment = home, environment
        self.port = str(_free_port())
        self.printed = ""

    def do(self, step: Step) -> None:
        if step.kind == "sh":
            self.printed = self.run(step.body.replace(PORT, self.port))
        elif step.kind == "text":
            assert matches(step.body, self.printed), f"told:\n{step.body}\nprinted:\n{self.printed}"
        elif step.kind == "diff":
            change(self.cwd / step.path, step.body)
        else:
            (self.cwd / step.path).parent.mkdir(parents=True, exist_ok=True)
            (self.cwd / step.path).write_text(step.body, encoding="utf-8")

    def run(self, commands: str) -> str:
        """Run ``commands``; where they end, the next ones begin, with the same variables."""
        script = f'set -e\n{commands}\nenv -0 > "$STATE"\n'
        state = self.environment["STATE"]
        with open(f"{state}.out", "w+", encoding="utf-8") as out:
            # A file, not a pipe: the server in the background keeps it open.
            done = subprocess.run(
                ["bash", "-c", script], cwd=self.cwd, env=self.environment, stdout=out,
                stderr=subprocess.STDOUT, timeout=PATIENCE_SECONDS,
            )  # fmt: skip
        printed = Path(f"{state}.out").read_text(encoding="utf-8")
        assert done.returncode == 0, f"{commands}\n{printed}"
        pairs = Path(state).read_text(encoding="utf-8").split("\0")
        self.environment = dict(p.split("=", 1) for p in pairs if "=" in p)
        self.cwd = Path(self.environment["PWD"])
        return printed


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


#: Stands for `python3 -m venv FOLDER`: a real environment that finds what is installed here, but no Keyun.
PYTHON3 = """#!/bin/sh
set -e
[ "$1 $2" = "-m venv" ] || exec {python} "$@"
{python} -m venv --without-pip "$3"
for site in "$3"/lib/python*/site-packages; do echo {borrowed} > "$site/borrowed.pth"; done
for tool in pip pytest pybabel=babel.messages.frontend; do
    script="$3/bin/${{tool%=*}}"
    printf '#!/bin/sh\\nexec "%s/bin/python" -m %s "$@"\\n' "$(cd "$3" && pwd)" "${{tool#*=}}" > "$script"
    chmod +x "$script"
done
ln -s {ruff} "$3/bin/ruff"
"""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    wheels, tools, home = (tmp_path / n for n in ("wheels", "tools", "home"))
    for folder in (wheels, tools, home):
        folder.mkdir()
    build = [sys.executable, "-m", "build", "--quiet", "--wheel", "--outdir", str(wheels), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("KEYUN_", "PYTHON", "VIRTUAL_ENV"))
    }
    environment |= {
        "STATE": str(tmp_path / "state"),
        "KEYUN_TEST_BACKEND": "sqlite",
        "PIP_FIND_LINKS": f"{wheels} {os.environ.get('PIP_FIND_LINKS', '')}",
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    if os.environ.get("KEYUN_TUTORIAL") != "fresh":
        borrowed = tmp_path / "borrowed"
        borrowed.mkdir()
        # The build of a wheel must find the tools of its own environment, not older ones from here.
        for path in Path(sysconfig.get_paths()["purelib"]).iterdir():
            if not re.match(
                r"_*(editable_+)?_*(keyun|setuptools|distutils|pkg_resources|wheel)|.*\.pth$", path.name
            ):
                (borrowed / path.name).symlink_to(path)
        # `python -m ruff` looks for the program beside Python; only the program itself ends that search.
        ruff = Path(sysconfig.get_path("scripts")) / "ruff"
        (tools / "python3").write_text(PYTHON3.format(python=sys.executable, borrowed=borrowed, ruff=ruff))
        (tools / "python3").chmod(0o755)
        environment["PATH"] = f"{tools}:{environment['PATH']}"
    person = Reader(home, environment)
    yield person
    pid = home / "seed-tutorial/serve.pid"
    if pid.is_file():
        try:
            os.kill(int(pid.read_text()), signal.SIGTERM)
        except ProcessLookupError:
            return


@pytest.mark.skipif(not shutil.which("curl"), reason="the tutorial looks at its site with curl")
def test_the_tutorial_works_word_for_word(reader: Reader) -> None:
    for number, step in enumerate(steps(ENGLISH), 1):
        begun = time.monotonic()
        try:
            reader.do(step)
            print(f"step {number} ({step.kind} {step.path}): {time.monotonic() - begun:.1f} s")
        except AssertionError as e:
            raise AssertionError(f"step {number}: {e}") from None
