#!/usr/bin/env bash
# Collects in one folder what a machine without internet needs: this repository, the pinned packages, the models and
# WordNet, with checksums and install.sh. On the other machine: bash bundle/install.sh
#
#     make bundle [BUNDLE=folder] [PYTHON=python3.12] [TORCH_INDEX=https://download.pytorch.org/whl/cpu] [MODELS="…"]
#
# PYTHON must have the version and run on the platform of the other machine. TORCH_INDEX chooses torch for the CPU or
# for one version of CUDA; without it, PyPI's torch for CUDA is taken. MODELS are options of evaluation.py, such as
# --BASE_MODEL_PATH NAME; MODELS=none leaves the models out.
set -euo pipefail
bundle=$1 python=$2 index=$3 models=$4
cd "$(dirname "$0")/.."
mkdir -p "$bundle/packages"
git archive --prefix=repository/ HEAD | tar -x -C "$bundle"
cp launch/install.sh "$bundle"
"$python" -m venv --clear "$bundle/.collect" # a package without a wheel is built by the version that will run it
"$bundle/.collect/bin/pip" wheel --quiet --disable-pip-version-check --wheel-dir "$bundle/packages" \
    ${index:+--extra-index-url "$index"} pip setuptools wheel -r requirements.txt
rm -r "$bundle/.collect"
if [ "$models" != none ]; then
    # shellcheck disable=SC2086 # several options in one variable
    .venv/bin/python evaluation.py --DOWNLOAD_ONLY "$bundle/models" $models
fi
(cd "$bundle" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum > SHA256SUMS.new)
mv "$bundle/SHA256SUMS.new" "$bundle/SHA256SUMS"
du -sh "$bundle" | sed 's/\t/ in /'
echo "Copy the folder to the other machine, and type there: bash $(basename "$bundle")/install.sh"
