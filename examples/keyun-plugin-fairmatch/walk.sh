#!/bin/sh
# Enable, use and purge the plugin on a fresh instance; tools/examples_test.sh runs it against the wheels.
set -eu
keyun plugins enable fairmatch
printf '%s\n' 'external_id,name,kind,region' 'org-1,示例研究所,institute,511402' >organizations.csv
keyun import organizations organizations.csv
{
    echo '外部编号,标题,详细说明,地区,单位编号'
    echo 'f-1,柑橘木虱防控,果园木虱监测与防控,511402,org-1'
    echo 'f-2,柑橘木虱监测,果园木虱监测,511402,org-1'
} >offers.csv
keyun import offers offers.csv
keyun marketplace match --text '柑橘园木虱防控' --top 3 | grep '同一发布者已有 1 项排在前面'
keyun plugins disable fairmatch
if keyun marketplace match --text '柑橘园木虱防控' --top 3 | grep '同一发布者'; then exit 1; fi
keyun plugins purge fairmatch --yes
