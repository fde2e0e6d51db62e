#!/usr/bin/env bash
# Collects industrial-ocr and all it needs to read on a CPU as wheels in one folder, for computers
# without network. Run it where there is a network, on the same kind of computer: the same
# operating system, processor and Python version.
#
#   examples/deploy/make_wheelhouse.sh [FOLDER [EXTRAS [SOURCE]]]
#
# FOLDER   where the wheels go; default: wheelhouse
# EXTRAS   of industrial-ocr; default: openvino. "" for ONNX Runtime alone
# SOURCE   a checkout or a wheel of industrial-ocr; default: the checkout of this script
# PYTHON   (environment) the Python to make it for; default: python3
set -euo pipefail
folder=${1:-wheelhouse}
extras=${2-openvino}
source=${3:-$(cd "$(dirname "$0")/../.." && pwd)}
python=${PYTHON:-python3}
name=industrial-ocr${extras:+[$extras]}

mkdir -p "$folder"
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
pip=("$python" -m pip --disable-pip-version-check --quiet)
"${pip[@]}" wheel --no-deps --wheel-dir "$built" "$source"
wheel=$(echo "$built"/industrial_ocr-*.whl)
"${pip[@]}" wheel --wheel-dir "$folder" "$wheel${extras:+[$extras]}"
(cd "$folder" && sha256sum -- *.whl > SHA256SUMS)

place=$(basename "$folder")
echo "$(find "$folder" -name '*.whl' | wc -l) wheels, $(du -sh "$folder" | cut -f1), in $folder."
echo "On the computer without network:"
echo
echo "  (cd $place && sha256sum --check --quiet SHA256SUMS)"
echo "  python3 -m venv venv"
echo "  venv/bin/pip install --no-index --find-links $place '$name'"
