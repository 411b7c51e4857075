#!/bin/sh
# Build the wheel, install it alone in a fresh environment, and use it from an empty folder.
set -eu
python=$1
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m build --quiet --wheel --outdir "$work/dist" "$root" >/dev/null
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --constraint "$root/constraints.txt" "$work"/dist/keyun-*.whl
cd "$work"
export KEYUN_INSTANCE="$work/instance"
"$work/venv/bin/keyun" init
"$work/venv/bin/keyun" doctor
"$work/venv/bin/keyun" plugins list
wheel=$(ls "$work"/dist/keyun-*.whl)
"$work/venv/bin/pip" install --quiet --constraint "$root/constraints.txt" "keyun[all] @ file://$wheel"
"$work/venv/bin/keyun" plugins enable marketplace
"$work/venv/bin/keyun" demo --yes >/dev/null
"$work/venv/bin/keyun" doctor
"$work/venv/bin/keyun" marketplace match --text '柑橘黄龙病 木虱防控' --top 3
# A new plugin passes everything at once against the wheel: types, style, its tests, the contract, a site.
"$work/venv/bin/keyun" plugins new wheel_trial --title 试用 --outside "$work"
cd "$work/keyun-plugin-wheel-trial"
"$work/venv/bin/pip" install --quiet --constraint "$root/constraints.txt" '.[test]'
"$work/venv/bin/ruff" check .
"$work/venv/bin/ruff" format --check .
"$work/venv/bin/mypy"
KEYUN_TEST_BACKEND=sqlite "$work/venv/bin/pytest" -q
"$work/venv/bin/keyun" plugins enable wheel_trial
"$work/venv/bin/keyun" plugins check wheel_trial
"$work/venv/bin/keyun" doctor
echo "the wheel works on its own"
