#!/bin/sh
# check_service.sh PACKAGE [TREE]: boots a fresh Debian tree of this processor in systemd-nspawn and tries the package as a
# service there: refusal, install, readiness, an upgrade under a running stream, report, removal, purge. No network inside.
# Needs root, debootstrap and systemd-container.
set -eu

package=$(readlink -f "$1")
tree=${2:-/var/tmp/bpu-check-service}
here=$(dirname "$(readlink -f "$0")")

[ "$(id -u)" -eq 0 ] || { echo "This needs root: sudo make check-service" >&2; exit 1; }
for program in debootstrap systemd-nspawn; do
    command -v "$program" >/dev/null || {
        echo "$program is missing: sudo apt install debootstrap systemd-container" >&2
        exit 1
    }
done

if [ ! -e "$tree/complete" ]; then
    rm -rf "$tree"
    packages=python3,init-system-helpers,procps,curl,iproute2,systemd,systemd-sysv,udev,dbus
    debootstrap --variant=minbase --include=$packages bookworm "$tree" http://deb.debian.org/debian
    touch "$tree/complete"
fi

units=$tree/etc/systemd/system
cp "$package" "$tree/root/package.deb"
cp "$here/check_service_inside.sh" "$tree/root/inside.sh"
rm -f "$tree/root/result" "$tree/root/log"
printf '[Unit]\nAfter=multi-user.target\n[Service]\nType=idle\nExecStart=/bin/sh /root/inside.sh\n' >"$units/trial.service"
mkdir -p "$units/multi-user.target.wants"
ln -sf ../trial.service "$units/multi-user.target.wants/trial.service"

timeout 900 systemd-nspawn --quiet --directory="$tree" --register=no --keep-unit --private-network --boot >/dev/null 2>&1 || true
cat "$tree/root/log"
[ "$(cat "$tree/root/result" 2>/dev/null)" = well ]
