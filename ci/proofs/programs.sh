# Starting, asking and ending programs of a lane; sourced. $OUT/private takes what they say.
started=()
trap 'for id in "${started[@]}"; do kill "$id" 2>/dev/null || true; done' EXIT

# start NAME COMMAND...: runs it and waits for its first line; `url` and `pid` are set.
start() {
    local name="$1"
    shift
    "$@" >"$OUT/private/$name.out" 2>"$OUT/private/$name.err" &
    pid=$!
    started+=("$pid")
    until_says "$name" 300 . "$OUT/private/$name.out"
    url="$(told "$name" url)"
}

# until_says NAME TENTHS PATTERN FILE: waits for a line; NAME must go on running meanwhile.
until_says() {
    for _ in $(seq "$2"); do
        if grep -q -- "$3" "$4" 2>/dev/null; then return; fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "error: $1 did not say $3" >&2
    tail -n 20 "$OUT/private/$1.out" "$OUT/private/$1.err" >&2
    exit 1
}

# told NAME MEMBER...: a member of the first line that a program printed.
told() {
    head -n 1 "$OUT/private/$1.out" | python3 -c '
import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1:]:
    value = value[name]
print(value)' "${@:2}"
}

# approve NAME: its owner lets in whoever waits, until it ends.
approve() {
    local control token
    control="$(told "$1" control url)"
    token="$(told "$1" control token)"
    while curl -s -o /dev/null -H "Authorization: Bearer $token" "$control/v1/control" \
        -d '{"verb":"approve","request_id":"latest"}'; do sleep 0.2; done &
    started+=("$!")
}

end() {
    kill -INT "$1" 2>/dev/null || true
    wait "$1" || true
}

# search LEAST SECRET...: no spelling of a secret (at least LEAST of them) is in any file of $OUT/shared, and the search
# finds what is there: a file that was never shared holds them.
search() {
    local least="$1"
    shift
    python3 ci/proofs/encodings.py "$@" >"$OUT/private/patterns"
    [[ "$(grep -c . "$OUT/private/patterns")" -ge "$least" ]]
    if grep -rFlf "$OUT/private/patterns" "$OUT/shared"; then
        echo "error: a secret of the run is in the files above" >&2
        exit 1
    fi
    echo "no secret of the run, in $(grep -c . "$OUT/private/patterns") spellings, is in any of $(find "$OUT/shared" -type f | wc -l) files"
}
