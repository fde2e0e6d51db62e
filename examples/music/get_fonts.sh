#!/usr/bin/env bash
# Downloads music fonts (SMuFL) with their licenses from npm: get_fonts.sh [FOLDER]
set -euo pipefail

folder=${1:-music_fonts}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for font in bravura@1.0.2 finalemaestro@1.0.0 gonville@1.0.0 leipzig@1.0.1 leland@1.0.1 \
    petaluma@1.0.1 sebastian@1.0.1; do
    archive=$(npm pack --silent "@vexflow-fonts/$font")
    tar xzf "$archive" -O "package/${font%@*}.otf" >"$folder/${font%@*}.otf"
    tar xzf "$archive" --wildcards -O 'package/LICEN*' >"$folder/${font%@*}.LICENSE"
done
echo "$(ls "$folder"/*.otf | wc -l) fonts in $folder"
