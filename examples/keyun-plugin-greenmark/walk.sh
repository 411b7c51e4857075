#!/bin/sh
# Enable, use and purge the plugin on a fresh instance; tools/examples_test.sh runs it against the wheels.
set -eu
keyun plugins enable greenmark
printf '%s\n' '外部编号,标题,详细说明,地区,绿色认证等级' 'g-1,柑橘木虱绿色防控,果园木虱监测与防控,511402,three' >offers.csv
keyun import offers offers.csv
keyun marketplace match --text '柑橘园木虱防控' --top 3 | grep '绿色认证等级：三星'
keyun export offers out.csv
grep 'greenmark.level' out.csv
keyun plugins disable greenmark
keyun plugins purge greenmark --yes
keyun plugins enable greenmark
if keyun marketplace match --text '柑橘园木虱防控' --top 3 | grep '绿色认证等级'; then exit 1; fi
keyun plugins disable greenmark
