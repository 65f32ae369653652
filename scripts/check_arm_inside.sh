#!/bin/sh
# Runs inside the arm64 tree of check_arm.sh: install, doctor, a streamed chat, cancel, a killed worker, stop, removal.
set -eu

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
url=http://127.0.0.1:8000
log=/tmp/gateway.log

say() {
    echo "== $*"
}

fail() {
    echo "FAILED: $*" >&2
    tail -40 "$log" >&2 || true
    exit 1
}

# until SECONDS WORDS...: runs WORDS until they succeed.
until_true() {
    left=$1
    shift
    while ! "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "not within the time: $*"
        sleep 1
    done
}

ready() {
    curl -s -m 20 "$url/ready" | grep -q '"ready":true'
}

ask() {
    curl -sN -m 300 "$url/v1/chat/completions" -H 'Content-Type: application/json' -d "{\"model\": \"deepseek-r1:1.5b\",
        \"stream\": $1, \"messages\": [{\"role\": \"user\", \"content\": \"$2\"}]}"
}

workers() {
    pgrep -P "$gateway" -f gunicorn || true
}

# The brackets keep the pattern from matching its own command line.
nothing_runs() {
    ! pgrep -f '[b]pu-gateway/|[b]pu\.' >/dev/null
}

is_idle() {
    curl -s -m 20 "$url/slots" | grep -q '"is_processing":false'
}

is_busy() {
    curl -s -m 20 "$url/slots" | grep -q '"is_processing":true'
}

mount -t proc proc /proc
ip link set lo up
[ "$(uname -m)" = aarch64 ] || fail "this is $(uname -m)"

say "install without a network"
dpkg -i /tmp/package.deb
bpu --version

say "doctor"
bpu doctor || [ $? -eq 1 ] || fail "doctor found something broken"

say "serve, the console of the simulator unbuffered by stdbuf"
export BPU_ENGINE=simulator BPU_RESET=command BPU_CONSOLE_ARGS="--load-seconds 0"
bpu serve >"$log" 2>&1 &
gateway=$!
until_true 300 ready
pgrep -f bpu.simulator >/dev/null || fail "no console runs"
tr '\0' '\n' <"/proc/$(pgrep -f -n bpu.simulator)/environ" | grep -q '^LD_PRELOAD=.*libstdbuf' || fail "stdbuf is not used"

say "a streamed chat"
ask true "What is 6 times 7?" >/tmp/stream
grep -q '"finish_reason": *"stop"' /tmp/stream || fail "the stream has no end: $(tail -3 /tmp/stream)"
tail -c 20 /tmp/stream | grep -q '\[DONE\]' || fail "no [DONE]"
[ "$(grep -c '^data: ' /tmp/stream)" -gt 10 ] || fail "it came in one piece"

say "cancel"
ask true "go on [[sim tokens=2000 rate=20]]" >/tmp/cancelled &
until_true 60 is_busy
id=$(curl -s "$url/slots" | tr ',{' '\n\n' | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' | head -1)
curl -s -X POST "$url/v1/jobs/$id/cancel" | grep -q '"cancelled":true' || fail "job $id was not cancelled"
until_true 60 is_idle

say "a killed worker"
before=$(workers)
kill -9 $(echo "$before" | head -1)
until_true 120 ready
ask false "What is 1 plus 1?" | grep -q '"content"' || fail "no answer after a worker was killed"

say "stop"
kill -TERM "$gateway"
wait "$gateway" || fail "the gateway ended with $?"
until_true 30 nothing_runs

say "remove and purge"
dpkg --purge rdk-bpu-gateway
for path in /usr/lib/rdk-bpu-gateway /usr/bin/bpu /etc/bpu /var/lib/bpu; do
    [ ! -e "$path" ] || fail "$path is left"
done
say "all is well on $(uname -m)"
