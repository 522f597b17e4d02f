#!/usr/bin/env bash
# Resolves requirements.lock and requirements-dev.lock: names, versions, hashes; no host, no address.
set -euo pipefail
cd "$(dirname "$0")/.."
env=$(mktemp -d); trap 'rm -rf "$env"' EXIT
python3 -m venv "$env" && "$env/bin/pip" install --quiet uv
compile() {
  "$env/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command "make lock" "$@"
}
compile --extra build pyproject.toml -o requirements.lock
compile --extra build --extra dev pyproject.toml -o requirements-dev.lock
