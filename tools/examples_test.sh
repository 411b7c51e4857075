#!/bin/sh
# Build Keyun and every plugin of examples/ as wheels, install them in a fresh environment, run the tests of
# each example from an empty folder, hold it against the contract, and enable, use and purge it on an
# instance of its own.
# usage: tools/examples_test.sh PYTHON [example ...]
set -eu
python=$1
shift
root=$(pwd)
[ $# -gt 0 ] || set -- $(ls examples)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/dist" "$work/examples"
"$python" -m build --quiet --wheel --outdir "$work/dist" "$root" >/dev/null
"$python" -m venv "$work/venv"
PATH="$work/venv/bin:$PATH"
unset PYTHONPATH KEYUN_INSTANCE || true
pip install --quiet --constraint "$root/constraints.txt" "keyun[all] @ file://$(ls "$work"/dist/keyun-*.whl)" pytest
for name in "$@"; do
    # From a copy, so that neither the build nor a test finds the sources beside it.
    cp -R "$root/examples/$name" "$work/examples/$name"
    "$python" -m build --quiet --wheel --outdir "$work/dist/$name" "$work/examples/$name" >/dev/null
    pip install --quiet --constraint "$root/constraints.txt" "$work/dist/$name"/*.whl
    mkdir -p "$work/tests/$name" "$work/walks/$name"
    cp -R "$work/examples/$name/tests" "$work/examples/$name/pyproject.toml" "$work/tests/$name"
done
for name in "$@"; do
    echo "== $name: tests"
    (cd "$work/tests/$name" && python -m pytest -q -p no:cacheprovider tests)
    echo "== $name: enable, use, purge"
    (
        cd "$work/walks/$name"
        export KEYUN_INSTANCE="$work/walks/$name/instance"
        keyun init >/dev/null
        keyun plugins check "${name#keyun-plugin-}" >checks.txt || { grep -v '^ok ' checks.txt; exit 1; }
        tail -n 1 checks.txt
        sh "$root/examples/$name/walk.sh"
        keyun doctor
    )
done
echo "every example works on the wheel"
