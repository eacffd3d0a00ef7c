# shellcheck shell=bash
# Part of the Windows lane: the stand-in for wsl.exe as a real PE. Sourced by ci/windows/run, which has built it and
# prepared Wine.
#
# Every command line goes to the PE under Wine and to the native program, each over a computer of its own. The bytes that
# they print, their exit codes and the words that they log must be the same: so a Windows program's command line, with its
# quotes, arrives as it was meant, and UTF-16 output leaves as it was made.

# Calls the native program, then the PE; sets native_exit and pe_exit, and leaves both outputs.
wsl_both() { # COMPUTER WORDS...
    local folder="$1"
    shift
    native_exit=0 pe_exit=0
    CLAWPROOF_WSL="$folder/native" "$wsl_bin/wsl.exe" "$@" >"$folder/native.out" 2>"$folder/native.err" </dev/null ||
        native_exit=$?
    local there="$folder/pe"
    HOME="$OUT/home" CLAWPROOF_WSL="Z:${there//\//\\}" timeout 60 wine "$OUT/$TARGET/debug/wsl.exe" "$@" \
        >"$folder/pe.out" 2>"$folder/pe.err" </dev/null || pe_exit=$?
}

wsl_verdict() { # WORDS PROBLEM
    if [[ -z "$2" ]]; then
        wsl_passed=$((wsl_passed + 1))
        printf 'passed  wsl.exe %s\n' "$1"
    else
        wsl_failed=$((wsl_failed + 1))
        printf 'FAILED  wsl.exe %s: %s\n' "$1" "$2"
    fi
}

# One command line on both; WANTED is a word that the output must hold, so that two empty outputs are no agreement.
wsl_same() { # COMPUTER EXIT WANTED WORDS...
    local folder="$1" exit="$2" wanted="$3" problem=""
    shift 3
    wsl_both "$folder" "$@"
    cmp -s "$folder/native.out" "$folder/pe.out" || problem="the bytes differ"
    [[ "$native_exit" == "$pe_exit" && "$pe_exit" == "$exit" ]] ||
        problem+=" exit codes: expected $exit, native $native_exit, PE $pe_exit"
    iconv -f UTF-16LE -t UTF-8 "$folder/pe.out" 2>/dev/null | grep -qF -- "$wanted" ||
        problem+=" '$wanted' is not in the UTF-16LE output: $(head -c 200 "$folder/pe.err" | tr -d '\r\n')"
    wsl_verdict "$*" "$problem"
}

# The words of every call, as the two computers logged them.
wsl_words() { sed -E 's/.*"argv":(\[.*\]),"user".*"exit":(-?[0-9]+|null).*/\1 \2/' "$1/log.jsonl"; }

wsl_lane() {
    wsl_bin="$OUT/wsl" wsl_passed=0 wsl_failed=0
    local work="$OUT/wsl/computers" locale folder
    rm -rf "$wsl_bin"
    mkdir -p "$work"
    cargo build --quiet --locked --package wsl-fixtures --bin wsl
    ln -s "$PWD/target/debug/wsl" "$wsl_bin/wsl.exe"
    for locale in en-US fr-FR zh-CN; do
        folder="$work/$locale"
        for side in native pe; do
            mkdir -p "$folder/$side"
            printf '{"locale":"%s"}\n' "$locale" >"$folder/$side/machine.json"
        done
        wsl_same "$folder" 0 2.4.13 --version
        wsl_same "$folder" 255 WSL_E_DEFAULT_DISTRO_NOT_FOUND --list --quiet
        wsl_same "$folder" 0 OpenClawGateway --install --distribution Ubuntu-24.04 --name OpenClawGateway --no-launch
        wsl_same "$folder" 0 OpenClawGateway --list --quiet
        wsl_same "$folder" 0 OpenClawGateway --list --verbose
        wsl_same "$folder" 0 OpenClawGateway --status
        wsl_same "$folder" 0 . --set-default OpenClawGateway
        wsl_same "$folder" 255 --frobnicate --frobnicate
        wsl_same "$folder" 255 WSL_E_DISTRO_NOT_FOUND --terminate Gone
        wsl_same "$folder" 255 E_ACCESSDENIED --shutdown
        # Quotes, spaces and backslashes of a Windows command line: they show in the log.
        wsl_same "$folder" 255 WSL_E_DISTRO_NOT_FOUND -d "Gone Too" -u root -- bash -c 'echo "a b" \"c\\ d' 'e\' '' '日本'
        wsl_same "$folder" 0 . --unregister OpenClawGateway
        local problem=""
        diff <(wsl_words "$folder/native") <(wsl_words "$folder/pe") >"$folder/words.diff" ||
            problem="$(head -n 4 "$folder/words.diff" | tr '\n' ' ')"
        grep -qF '"echo \"a b\" \\\"c\\\\ d"' "$folder/pe/log.jsonl" || problem+=" the quoted words are not in the log"
        wsl_verdict "log of $locale" "$problem"
    done
    # Windows keeps all of an exit code: what is 255 here is -1 there.
    printf '@"%s" --frobnicate >nul 2>nul\r\n@echo exit %%errorlevel%%\r\n' \
        "Z:${OUT//\//\\}\\$TARGET\\debug\\wsl.exe" >"$work/exit.cmd"
    local there="$work/en-US/pe" problem=""
    HOME="$OUT/home" CLAWPROOF_WSL="Z:${there//\//\\}" timeout 60 wine cmd /c "Z:${work//\//\\}\\exit.cmd" 2>/dev/null |
        tr -d '\r' >"$work/exit.out" || true
    grep -qx 'exit -1' "$work/exit.out" || problem="expected exit -1, got '$(tail -n 1 "$work/exit.out")'"
    wsl_verdict "--frobnicate ends with -1 for a Windows program" "$problem"
    printf '%s %s 0\n' "$wsl_passed" "$wsl_failed" >>"$COUNTS"
    ((wsl_failed == 0))
}
