#!/bin/sh
# Bring catalogues up to date: extract, merge, compile, and say how much is translated.
# usage: tools/translations.sh [folder of pybabel [package folder ...]]; without folders, the core and every plugin.
set -eu
cd "$(dirname "$0")/.."
PYBABEL="${1:+$1/}pybabel"
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- core/keyun plugins/*/keyun_*
for package in "$@"; do
    po="$package/translations/en/LC_MESSAGES/messages.po"
    pot="$(mktemp)"
    "$PYBABEL" -q extract --mapping babel.cfg --keywords lazy_gettext --no-location --sort-output \
        --project keyun --version 1 --output "$pot" "$package"
    # The header is the first msgid; a package with no other has nothing to say.
    if [ "$(grep -c '^msgid' "$pot")" -lt 2 ]; then
        rm -f "$pot"
        continue
    fi
    mkdir -p "$(dirname "$po")"
    if [ -f "$po" ]; then
        "$PYBABEL" -q update --input-file "$pot" --output-file "$po" --locale en \
            --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date
    else
        "$PYBABEL" -q init --input-file "$pot" --output-file "$po" --locale en
    fi
    rm -f "$pot"
    "$PYBABEL" compile --statistics --input-file "$po" --output-file "${po%.po}.mo" --locale en
done
