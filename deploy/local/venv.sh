#!/usr/bin/env bash
# Make .venv with everything that pyproject.toml names: deploy/local/venv.sh [directory]
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=${1:-.venv}

fail() { echo "error: $1" >&2; exit 1; }

suffices() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Version managers compile without profile-guided optimisation unless asked; that costs programs and tests a tenth of their time.
is_optimized() {
    "$1" -c 'import sys, sysconfig
sys.exit(sys.base_prefix != "/usr" and "--enable-optimizations" not in (sysconfig.get_config_var("CONFIG_ARGS") or ""))'
}

find_python() {
    local name plain=
    for name in ${PYTHON:-python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11}; do
        suffices "$name" || continue
        if is_optimized "$name"; then echo "$name"; return; fi
        plain=${plain:-$name}
    done
    [ -n "$plain" ] || fail "Python 3.11 or newer is missing; install it, or name it: make install PYTHON=/path/to/python3"
    echo "$plain"
}

# Debian keeps ensurepip in a package of its own.
require_ensurepip() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    local package
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    command -v apt-get >/dev/null || fail "$1 cannot make a venv: its modules venv and ensurepip are missing"
    [ "$(id -u)" = 0 ] || fail "$1 cannot make a venv; install what is missing: sudo apt-get install -y $package"
    echo "$1 cannot make a venv: apt-get install $package"
    { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y "$package"; } >/dev/null ||
        fail "apt-get could not install $package; install it by hand"
}

if ! suffices "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    require_ensurepip "$python"
    echo "making $venv with $("$python" --version), $(command -v "$python")"
    "$python" -m venv --clear "$venv"
fi

pip_install() {
    "$venv/bin/python" -m pip install -q --disable-pip-version-check "$@" ||
        fail "pip failed; see above, then run: make install"
}

echo "installing what requirements.lock names, each file by its hash"
pip_install --require-hashes -r requirements.lock
# The checkout itself: it has no hash, and everything that it needs is there by now.
pip_install --no-deps --no-build-isolation -e .
