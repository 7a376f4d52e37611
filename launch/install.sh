#!/usr/bin/env bash
# Installs a bundle made by `make bundle`, without a network:   bash bundle/install.sh [FOLDER] [PYTHON]
# FOLDER (default: medqa, beside the bundle) gets the repository, a virtual environment, and a link to the models.
set -euo pipefail
bundle=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(dirname "$bundle")/medqa} python=${2:-python3}
packages=$bundle/packages

# fail TEXT: print an error, and end; the trap below leaves nothing half-installed.
fail() {
    echo "ERROR: $1" >&2
    exit 2
}

# try WHAT COMMAND…: run a command; if it fails, end with the last line that it printed.
try() {
    local what=$1 output
    shift
    output=$("$@" 2>&1) || fail "$what: ${output##*$'\n'}"
}

[ ! -e "$folder" ] || fail "$folder exists already. Remove it, or name another folder: bash $0 FOLDER"
[ -e "$bundle/SHA256SUMS" ] || fail "$bundle is incomplete: SHA256SUMS is missing. Copy the bundle again."
echo "Checking the files of $bundle"
damaged=$(cd "$bundle" && LC_ALL=C sha256sum --check --quiet --strict SHA256SUMS 2> /dev/null) ||
    fail "the copy is damaged: $(echo "${damaged:-SHA256SUMS}" | head -n 3 | paste -s -d ' '). Copy the bundle again."
wanted=$(cat "$bundle/PYTHON")
found=$("$python" "$bundle/repository/launch/python_version.py" 2> /dev/null) || found="not one"
[ "$found" = "$wanted" ] ||
    fail "the bundle is for $wanted; $python is $found. Name another one: bash $0 $folder /path/to/python3"

echo "Installing in $folder"
try "the folder cannot be created" mkdir "$folder"
trap 'rm -rf "$folder"' EXIT # until everything is installed
folder=$(cd "$folder" && pwd)
try "the repository cannot be copied" cp -r "$bundle/repository/." "$folder"
# pip comes from the bundle: some systems have a Python without it. Settings for pip on this machine do not count.
try "$python cannot create a virtual environment" "$python" -I -m venv --without-pip "$folder/.venv"
try "the packages cannot be installed" env PIP_CONFIG_FILE=/dev/null \
    "$folder/.venv/bin/python" -I "$(echo "$packages"/pip-*.whl)/pip" install --isolated --no-index --no-cache-dir \
    --disable-pip-version-check --find-links "$packages" pip -r "$folder/requirements.txt"
touch "$folder/.venv/installed" # so that make does not install again
[ ! -d "$bundle/models" ] || try "the models cannot be linked" ln -s "$bundle/models" "$folder/models"
trap - EXIT
echo "Installed. Type:"
printf '    cd %q && source .venv/bin/activate\n' "$folder"
[ ! -d "$bundle/models" ] || cat "$bundle/models/HOW_TO_USE.txt"
