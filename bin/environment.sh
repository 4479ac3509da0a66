# Sourced by the other scripts: makes the virtual environment in .venv/ and fills it.
# Needs only python3 on the machine.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root" || exit 1
python="$root/.venv/bin/python"

stop() {
    printf '%s\n' "$*" >&2
    exit 1
}

find_python() {
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    stop "Python 3.11 or newer is needed and was not found (tried python3, python3.13 ... 3.11)."
}

make_venv() {
    # A folder moved or copied to another place has scripts that name the old one.
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
        "$python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    base=$(find_python) || exit 1
    rm -rf "$root/.venv"
    "$base" -m venv "$root/.venv" >/dev/null 2>&1 || {
        rm -rf "$root/.venv"
        stop "$base cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"
    }
}

# install FILE...: installs the pinned packages of the files, unless nothing has changed.
install() {
    make_venv
    wanted=$(printf '%s ' "$root" "$@"; cat -- "$@" | cksum)
    for mark in "$root"/.venv/installed-*; do
        [ -f "$mark" ] && [ "$(cat "$mark")" = "$wanted" ] && return
    done
    printf 'Installing packages into .venv/ (once; about a minute)\n' >&2
    set -- $(printf -- '-r %s ' "$@")
    if ! { "$python" -m pip install -q --disable-pip-version-check uv==0.13.9 &&
        "$python" -m uv pip install -q --python "$python" "$@"; } 2>"$root/.venv/uv.log"; then
        # pip knows settings of this machine (mirrors, proxies) that uv does not read.
        "$python" -m pip install -q --disable-pip-version-check "$@" ||
            stop "The packages could not be installed; the lines above say why."
    fi
    printf '%s' "$wanted" >"$root/.venv/installed-$(printf '%s' "$wanted" | cksum | cut -d ' ' -f 1)"
}

# read_env: takes the settings of .env, where there is one.
read_env() {
    if [ -f .env ]; then
        set -a
        . ./.env
        set +a
    fi
}
