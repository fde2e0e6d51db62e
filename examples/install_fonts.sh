#!/usr/bin/env bash
# Installs the font packages that the shipped models were trained with: configs/fonts.tsv names
# each with its style and licence. Debian's go to /usr/share/fonts, npm's (@fontsource) to FOLDER.
#
#   examples/install_fonts.sh [FOLDER]
set -euo pipefail
folder=$(mkdir -p "${1:-fonts}" && cd "${1:-fonts}" && pwd)
table=$(cd "$(dirname "$0")/.." && pwd)/configs/fonts.tsv

if command -v apt-get >/dev/null; then
    awk -F'\t' '$2 == "debian" { print $1 }' "$table" |
        xargs apt-get install --yes --no-install-recommends
else
    echo "no apt-get here: the Debian packages of $table are left out" >&2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk -F'\t' '$2 == "npm" { print $1 }' "$table" | while read -r name; do
    archive=$(cd "$work" && npm pack --silent "@fontsource/$name") || {
        echo "@fontsource/$name: not to be had, left out" >&2
        continue
    }
    for weight in 400 700; do
        tar xzf "$work/$archive" --wildcards -O "package/files/*-latin-$weight-normal.woff" \
            >"$folder/$name-$weight.woff" 2>/dev/null || rm -f "$folder/$name-$weight.woff"
    done
done
echo "$(find "$folder" -name '*.woff' | wc -l) files in $folder"
