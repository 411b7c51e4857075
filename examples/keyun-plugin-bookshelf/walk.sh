# The plugin on an instance of its own: enabled in popsci's place, used, taken back and purged.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/articles.csv" <<'CSV'
external_id,title,body,category,source,voucher,region
a-1,怎样看星星,找一个暗处。,nature,天文台手册,示范学会,511402
CSV
keyun import articles "$work/articles.csv"
keyun plugins enable bookshelf --instead
keyun jobs run
keyun search 星星 --type popsci.article
keyun export articles "$work/out.csv"
grep -q ',medium,nature,' "$work/out.csv"
keyun import articles "$work/out.csv"
keyun plugins order
keyun plugins enable popsci --instead
keyun plugins purge bookshelf --yes --export-to "$work/purged"
ls "$work"/purged/bookshelf-*/manifest.json
keyun jobs run
keyun search 星星 --type popsci.article
