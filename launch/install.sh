#!/usr/bin/env bash
# Installs a bundle made by `make bundle`, without a network:   bash bundle/install.sh [FOLDER] [PYTHON]
# FOLDER (default: medqa, beside the bundle) gets the repository, a virtual environment, and a link to the models.
set -euo pipefail
bundle=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(dirname "$bundle")/medqa}
python=${2:-python3}

# fail TEXT: print an error, leave nothing half-installed, and end.
fail() {
    echo "ERROR: $1" >&2
    exit 2
}

[ ! -e "$folder" ] || fail "$folder exists already. Remove it, or name another folder: bash $0 FOLDER"
(cd "$bundle" && sha256sum --check --quiet SHA256SUMS) ||
    fail "the files above are damaged or missing. Copy the bundle again."
trap 'rm -rf "$folder"' EXIT # until everything is installed
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cp -r "$bundle/repository/." "$folder"
"$python" -m venv "$folder/.venv" ||
    fail "$python cannot create a virtual environment. Name another one: bash $0 $folder /path/to/python3"
"$folder/.venv/bin/pip" install --quiet --no-index --find-links "$bundle/packages" -r "$folder/requirements.txt" ||
    fail "the packages do not fit $("$python" --version). Make the bundle with that version: make bundle PYTHON=…"
[ ! -d "$bundle/models" ] || ln -s "$bundle/models" "$folder/models"
trap - EXIT
echo "Installed in $folder. Type there:"
echo "  source .venv/bin/activate"
echo "  export HF_HUB_OFFLINE=1 NLTK_DATA=models/nltk_data"
echo "  python dataset_preparation.py --DATA_DIR /path/to/your/files"
