# What the checks have in common. Each line of their output is a sentence that holds or does not.
S=ingero-recorder.service
STATE=/var/lib/ingero-recorder
failed=0

# is "SENTENCE" COMMAND...
is() {
    local sentence=$1
    shift
    if "$@" > /tmp/is.out 2>&1; then
        echo "ok     $sentence"
    else
        echo "FAILED $sentence"
        echo "       $* => $(head -c 400 /tmp/is.out)"
        failed=$((failed + 1))
    fi
}

# The same, until it holds or SECONDS are over.
within() {
    local seconds=$1 sentence=$2 turn
    shift 2
    for turn in $(seq $((seconds * 20))); do
        if "$@" > /dev/null 2>&1; then break; fi
        sleep 0.05
    done
    is "$sentence" "$@"
}

not() { ! "$@"; }
prop() { systemctl show -p "$1" --value "${2:-$S}"; }
equals() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }
figure() { echo "figure $*"; }
# What the recorder itself has said since its unit was first started; PID 1 also logs in its name.
said() { journalctl --sync; journalctl -b -q -u $S "$@" -o cat; }
logged() { said | grep -qE "$1"; }
ready() { systemctl is-active -q $S && ingeroctl status > /dev/null 2>&1; }
recorder() { prop MainPID; }
equals_state() { equals "$(prop ActiveState)" "$1"; }
# One number of `ingeroctl status --json`, by its key.
number() { ingeroctl status --json | tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\": *\"\{0,1\}\([0-9.]*\).*/\1/p" | head -1; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
restarted() { [ "$(recorder)" != 0 ] && [ "$(recorder)" != "$1" ] && ready; }

# A stand-in workload: starts it, waits until its calls are recorded, and lets it go. calls.pid is its process.
load() {
    rm -f /tmp/load.in
    mkfifo /tmp/load.in
    LD_LIBRARY_PATH=/bed/standin /bed/standin/standin-calls --start-on-stdin --linger "$@" < /tmp/load.in > /tmp/load.out &
    load=$!
    exec 8> /tmp/load.in
    until grep -q READY /tmp/load.out; do sleep 0.05; done
    within 20 "the workload's library is probed" covered $load
    echo go >&8
}
covered() { ingeroctl status | grep -q "process .*/$1 .* probes"; }
# Waits until it has made its calls, and ends it.
unload() {
    until grep -q '^{' /tmp/load.out; do sleep 0.1; done
    exec 8>&-
    wait $load
}
# Launches that the workload says it made since it was let go, and calls a second.
launches() { sed -n 's/.*"calls_after_start":{[^}]*"cuLaunchKernel":\([0-9]*\).*/\1/p' /tmp/load.out; }
rate() {
    sed -n 's/.*"start_ns":\([0-9]*\),"end_ns":\([0-9]*\).*"calls_after_start":{\([^}]*\)}.*/\1 \2 \3/p' /tmp/load.out |
        awk '{ n = split($3, calls, ","); for (i = 1; i <= n; i++) { split(calls[i], c, ":"); sum += c[2] }
               printf "%d", sum / (($2 - $1) / 1e9) }'
}
ask() { ingeroctl query "$1" "$2" --format csv | tail -1 | tr -d '\r'; }
done_() {
    echo "$failed failed"
    exit $((failed > 0))
}
