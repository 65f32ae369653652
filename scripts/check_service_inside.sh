#!/bin/sh
# Runs as a unit inside the tree of check_service.sh, writes /root/log and, if all is well, /root/result.
exec >/root/log 2>&1
set -eu
trap 'systemctl poweroff' EXIT

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
home=/usr/lib/rdk-bpu-gateway

fail() {
    echo "FAILED: $*"
    journalctl -u bpu-gateway --no-pager -n 40
    exit 1
}

ip link set lo up
dpkg -i /root/package.deb
[ "$(systemctl is-enabled bpu-gateway || true)" = disabled ] || fail "the unit is not disabled before it is asked for"
systemd-analyze verify --man=no /lib/systemd/system/bpu-gateway.service || fail "systemd does not accept the unit"

echo "== what cannot work is refused"
if BPU_RUNTIME_DIR=/nowhere bpu service install >/root/refused 2>&1; then
    fail "a runtime folder that does not exist was taken"
fi
grep -q '/nowhere does not exist' /root/refused || fail "the reason is not said: $(cat /root/refused)"

echo "== install, with a setting of the terminal"
BPU_WORKERS=1 BPU_RESET=command BPU_API_KEYS=sesame bpu service install
grep -qx 'BPU_WORKERS=1' /etc/bpu/bpu.env || fail "the terminal's setting is not in the file"
[ "$(stat -c '%a %a' /etc/bpu/bpu.env /etc/bpu/keys | tr '\n' ' ')" = "644 644 600 600 " ] || fail "modes: $(ls -l /etc/bpu)"
[ "$(systemctl is-enabled bpu-gateway)" = enabled ] || fail "not enabled"
bpu status || fail "not ready after install"

echo "== upgrade under a running stream"
old=$(readlink $home/current)
curl -sN http://127.0.0.1:8000/v1/chat/completions -H 'Authorization: Bearer sesame' -H 'Content-Type: application/json' \
    -d '{"model": "deepseek-r1:1.5b", "stream": true, "messages": [{"role": "user", "content": "[[sim tokens=400 rate=20]]"}]}' \
    >/root/stream &
stream=$!
left=60
while [ "$(wc -c </root/stream)" -lt 2000 ]; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "no stream came"
    sleep 1
done
dpkg -i /root/package.deb
wait $stream
grep -q '^data: \[DONE\]' /root/stream || fail "the stream was cut by the upgrade: $(tail -c 300 /root/stream)"
[ ! -e "$home/$old" ] || fail "the old environment is left"
grep -qx 'BPU_WORKERS=1' /etc/bpu/bpu.env || fail "the settings are lost"
left=120
until bpu status >/dev/null; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "not ready after the upgrade"
    sleep 1
done

echo "== setup with an SDK and a model of files, to the first answer of its console"
sdk=/opt/OpenExplorer_LLM_0.9.0/runtime
name=DeepSeek_R1_Distill_Qwen_1.5B
simulator=$(echo $home/current/lib/python3*/site-packages/bpu/simulator)
mkdir -p $sdk/bin $sdk/lib $sdk/model $sdk/config/${name}_config
truncate -s 2234994104 $sdk/model/${name}_4096.hbm
cp "$simulator"/model/tokenizer.json "$simulator"/model/$name.jinja $sdk/config/${name}_config/
printf '#!/bin/sh\ncd %s && exec %s -S -m bpu.simulator "$@"\n' "$(readlink -f "$simulator/../..")" \
    "$(readlink -f $home/current)/bin/python" >$sdk/bin/xlm_demo
chmod 755 $sdk/bin/xlm_demo
bpu service remove
bpu config set BPU_ENGINE=console
bpu setup --yes || fail "setup left something to do"
grep -q "BPU_RUNTIME_DIR=$sdk" /etc/bpu/bpu.env || fail "the SDK was not found"
grep -q "ReadWritePaths=-$sdk" /etc/systemd/system/bpu-gateway.service.d/bpu.conf || fail "the unit does not know the SDK"
curl -s -m 60 http://127.0.0.1:8000/v1/chat/completions -H 'Authorization: Bearer sesame' \
    -H 'Content-Type: application/json' -d '{"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "1+1=?"}]}' \
    >/root/answer
grep -q '"finish_reason": *"stop"' /root/answer || fail "no answer: $(cat /root/answer)"
bpu setup --dry-run | grep -c "Nothing to do" | grep -qx 8 || fail "a second setup finds something to do"

echo "== report"
bpu report --output /root/report >/dev/null
! grep -q sesame /root/report || fail "a key is in the report"
grep -q 'request ' /root/report || fail "no log in the report"

echo "== remove and purge"
bpu service remove
[ "$(systemctl is-active bpu-gateway || true)" = inactive ] || fail "still active"
dpkg --purge rdk-bpu-gateway
for path in $home /usr/bin/bpu /etc/bpu /var/lib/bpu /run/bpu /etc/systemd/system/bpu-gateway.service.d; do
    [ ! -e "$path" ] || fail "$path is left"
done
echo "== all is well"
echo well >/root/result
