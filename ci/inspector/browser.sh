# Chromium and what drives it, for the lanes that look at pages. Sets CACHE, the folder with the npm packages, and
# CHROMIUM. Source it after `cd` to the root; it ends the lane as not verified where something can't be had.
CACHE=target/inspector/npm
REASON="${CI_REASON:-/dev/null}"
COUNTS="${CI_COUNTS:-/dev/null}"

not_verified() {
    printf 'not verified: %s\n' "$1" >&2
    printf '%s\n' "$1" >"$REASON"
    exit 77
}

install() {
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Adds the counts line at the end of a log to those of the run.
count_log() {
    local line
    line="$(tail -n 1 "$1")"
    if [[ "$line" =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
        printf '%s %s %s\n' "${BASH_REMATCH[@]:1:3}" >>"$COUNTS"
    else
        echo "error: the lane ended without a counts line" >&2
        return 1
    fi
}

command -v npm >/dev/null || install nodejs npm || not_verified "npm is missing and could not be installed"
command -v chromium >/dev/null || install chromium fonts-dejavu-core ||
    not_verified "chromium is missing and could not be installed"
CHROMIUM="$(command -v chromium)"

# A copy of the lock file marks what is installed.
mkdir -p "$CACHE"
if ! cmp -s ci/inspector/package-lock.json "$CACHE/installed.json"; then
    cp ci/inspector/package.json ci/inspector/package-lock.json "$CACHE/"
    npm --prefix "$CACHE" ci --ignore-scripts --no-audit --no-fund --loglevel=error ||
        not_verified "the pinned npm packages could not be had"
    cp ci/inspector/package-lock.json "$CACHE/installed.json"
fi
