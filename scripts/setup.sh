#!/usr/bin/env bash
# Make .venv ready in this checkout. Packages live in an environment outside the checkout, named by a
# hash of the requirements, so that the next checkout with the same requirements takes a second.
#   scripts/setup.sh        what running datagen needs
#   scripts/setup.sh dev    that and what tests and checks need
set -euo pipefail
cd "$(dirname "$0")/.."
extra="${1:-}"
python="${PYTHON:-python3}"

requirements() { # the dependency lists of pyproject.toml, one a line, sorted
  "$python" - "$extra" <<'PY'
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
wanted = list(project["dependencies"])
if sys.argv[1]:
    wanted += project["optional-dependencies"][sys.argv[1]]
print("\n".join(sorted(wanted)))
PY
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "datagen needs Python 3.11 or newer; set PYTHON to one" >&2; exit 2; }
wanted="$(requirements)"
hash="$("$python" -c 'import hashlib, platform, sys
told = "\n".join([*sys.argv[1:], sys.version, platform.machine(), sys.prefix])
print(hashlib.sha256(told.encode()).hexdigest()[:16])' "$wanted")"
cache="${DATAGEN_ENV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/datagen/env}"
environment="$cache/$hash"
mkdir -p "$cache"

(
  # Two checkouts may set up at once; where there is no flock (macOS), they should not.
  if command -v flock >/dev/null; then flock 9; fi
  if [ ! -e "$environment/.ready" ]; then
    echo "Installing packages into $environment (once for these requirements) ..." >&2
    rm -rf "$environment"
    "$python" -m venv "$environment"
    echo "$wanted" > "$environment/requirements.txt"
    "$environment/bin/python" -m pip install -qq --disable-pip-version-check -r "$environment/requirements.txt"
    touch "$environment/.ready"
  fi
) 9> "$cache/.lock"

# .venv is this checkout's own: it sees the shared packages and this source tree, nothing else's.
if [ "$(cat .venv/.made-from 2>/dev/null || true)" != "$environment $PWD" ]; then
  rm -rf .venv
  "$python" -m venv --without-pip .venv
  site="$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')"
  shared="$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')"
  printf '%s\n%s\n' "$PWD" "$shared" > "$site/datagen-checkout.pth"
  printf '#!/bin/sh\nexec "%s/.venv/bin/python" -m datagen "$@"\n' "$PWD" > .venv/bin/datagen
  chmod +x .venv/bin/datagen
  echo "$environment $PWD" > .venv/.made-from
fi
