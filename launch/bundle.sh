#!/usr/bin/env bash
# Collects in one folder what a machine without internet needs: this repository as committed, the pinned packages, the
# models and NLTK's data, with checksums and install.sh. On the other machine: bash bundle/install.sh
#
#     make bundle [BUNDLE=folder] [PYTHON=python3.12] [TORCH_INDEX=https://download.pytorch.org/whl/cpu] [MODELS="…"]
#
# PYTHON must have the version and run on the platform of the other machine. TORCH_INDEX, an index or a folder of
# packages, chooses torch for the CPU or for one version of CUDA; without it, pip takes its default, for CUDA. MODELS are
# options of launch/fetch_models.py, such as --BASE_MODEL_PATH NAME; MODELS=none leaves models and NLTK's data out.
# Interrupted? Run it again: models that are complete stay.
set -euo pipefail
bundle=$1 python=$2 index=$3 models=$4
cd "$(dirname "$0")/.."
case $index in
    "") options=() ;;
    *://*) options=(--extra-index-url "$index") ;;
    *) options=(--find-links "$index") ;;
esac
collect=$(mktemp -d)
trap 'rm -rf "$collect"' EXIT

rm -rf "$bundle"/{packages,repository,SHA256SUMS} # of an earlier bundle, perhaps with other pins
mkdir -p "$bundle"
git clone --quiet --depth 1 "file://$PWD" "$bundle/repository" # with .git: manifests record the commit
cp "$bundle/repository/launch/install.sh" "$bundle"
"$python" "$bundle/repository/launch/python_version.py" > "$bundle/PYTHON"
echo "Collecting the packages for $(cat "$bundle/PYTHON")"
"$python" -m venv "$collect" # a package without a wheel is built by the version that will run it
"$collect/bin/pip" wheel --quiet --disable-pip-version-check --wheel-dir "$bundle/packages" \
    "${options[@]}" pip -r requirements.txt
if [ "$models" != none ]; then
    # shellcheck disable=SC2086 # several options in one variable
    .venv/bin/python launch/fetch_models.py "$bundle/models" $models
fi
echo "Computing checksums"
(cd "$bundle" && find . -type f ! -name 'SHA256SUMS*' -print0 | sort -z | xargs -0 sha256sum > SHA256SUMS.new)
mv "$bundle/SHA256SUMS.new" "$bundle/SHA256SUMS" # last: its presence means that the bundle is complete
du -sh "$bundle" | sed 's/\t/ in /'
echo "Copy the folder to the other machine, and type there: bash $(basename "$bundle")/install.sh"
