#!/usr/bin/env bash
# Downloads the font packages that the shipped models were trained with into a folder.
#
#   examples/install_fonts.sh [FOLDER [TABLE]]        (default: fonts configs/fonts.tsv)
#
# TABLE (benchmarks/clean_print_fonts.tsv is another one) names each package with its source, style,
# license (SPDX; LicenseRef-... where SPDX has no name) and, for npm, the version used. Nothing is
# installed and no root is needed:
#
#   FOLDER/debian/PACKAGE/   the font files of Debian's .deb with its copyright file; needs apt-get
#   FOLDER/npm/              Latin, upright, weights 400 and 700 of @fontsource/PACKAGE; needs npm
#   FOLDER/lettering/        font files of style "lettering" (scripts and signs), used only for words
#   FOLDER/foreign/PACKAGE/  font files of style "foreign" (other scripts): the rendered pictures show
#                            their characters beside codes
#
# Use: industrial-ocr train ... --fonts FOLDER. Packages that could not be downloaded are listed at
# the end.
set -euo pipefail

folder=${1:-fonts}
table=${2:-$(cd "$(dirname "$0")/.." && pwd)/configs/fonts.tsv}
mkdir -p "$folder/debian" "$folder/npm" "$folder/lettering" "$folder/foreign"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
missing=()

debian_package() {
    (cd "$work" && apt-get download -qq "$1" 2>/dev/null) || return 1
    dpkg-deb -x "$work/$1"_*.deb "$work/$1" || return 1
    mkdir -p "$folder/$2/$1"
    find "$work/$1" -type f \( -iname '*.ttf' -o -iname '*.otf' -o -name copyright \) \
        -exec cp {} "$folder/$2/$1/" \;
    rm -rf "${work:?}/$1" "$work/$1"_*.deb
}

npm_package() {
    local archive
    archive=$(cd "$work" && npm pack --silent "@fontsource/$1@$2" 2>/dev/null) || return 1
    tar xzf "$work/$archive" -C "$work" || return 1
    local found=1 weight
    for weight in 400 700; do
        if cp "$work/package/files/$1-latin-$weight-normal.woff" "$folder/$3/$1-$weight.woff" \
            2>/dev/null; then
            found=0
        fi
    done
    rm -rf "${work:?}/package" "$work/$archive"
    return $found
}

has_apt=$(command -v apt-get dpkg-deb | wc -l)
has_npm=$(command -v npm | wc -l)
total=$(wc -l <"$table")
done_rows=0
echo "$total packages, some minutes and some hundred MB" >&2
while IFS=$'\t' read -r package source style _ version _; do
    done_rows=$((done_rows + 1))
    [ $((done_rows % 20)) -eq 0 ] && echo "$done_rows of $total" >&2
    place=$source
    case $style in
    lettering | foreign) place=$style ;;
    esac
    case $source in
    debian) [ "$has_apt" -eq 2 ] && debian_package "$package" "$place" || missing+=("$package") ;;
    npm) [ "$has_npm" -eq 1 ] && npm_package "$package" "$version" "$place" || missing+=("$package") ;;
    esac
done <"$table"

count=$(find "$folder" -type f ! -name copyright | wc -l)
echo "$count font files in $folder"
if [ ${#missing[@]} -gt 0 ]; then
    echo "left out, because apt-get or npm is missing or does not have them: ${missing[*]}" >&2
fi
[ "$count" -gt 0 ]
