#!/usr/bin/env bash
# Collects the wheels of industrial-ocr and of all packages that it needs to read on a CPU in one
# folder, for computers without a network connection. Run it on a computer with a connection and with
# the same operating system, processor and Python version.
#
#   examples/deploy/make_wheelhouse.sh [FOLDER [EXTRAS [SOURCE]]]
#
# FOLDER   folder of the wheels; default: wheelhouse
# EXTRAS   extras of industrial-ocr; default: openvino. "": none, only ONNX Runtime
# SOURCE   a checkout or a wheel of industrial-ocr; default: the checkout of this script
# PYTHON   (environment variable) the Python of the wheels; default: python3
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
