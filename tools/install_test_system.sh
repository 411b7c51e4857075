#!/bin/sh
# Install what the browser tests need, when this user may; otherwise say what will be left out.
set -eu
if command -v chromium >/dev/null 2>&1 && fc-list 2>/dev/null | grep -qi 'noto.*cjk'; then
    exit 0
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        sudo="sudo -n"
    else
        echo "browser tests are left out: chromium or fonts-noto-cjk is missing and this user may not install them"
        exit 0
    fi
fi
if command -v apt-get >/dev/null 2>&1; then
    $sudo apt-get update -qq && $sudo apt-get install -y -qq chromium fonts-noto-cjk >/dev/null
else
    echo "browser tests are left out: install chromium and a CJK font to run them"
fi
