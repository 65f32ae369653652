#!/bin/sh
# check_arm.sh PACKAGE [TREE]: installs the arm64 package into an arm64 Debian tree and tries it there, emulated by
# qemu-user-static: the whole process tree, without a network. Needs root, debootstrap and the network for the tree.
set -eu

package=$(readlink -f "$1")
tree=${2:-/var/tmp/bpu-check-arm}
here=$(dirname "$(readlink -f "$0")")

fail() {
    echo "$@" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "This needs root: sudo make check-arm"
for program in debootstrap unshare chroot; do
    command -v "$program" >/dev/null || fail "$program is missing: sudo apt install debootstrap util-linux"
done

if [ "$(uname -m)" != aarch64 ]; then
    formats=/proc/sys/fs/binfmt_misc
    [ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats || fail "binfmt_misc cannot be mounted here."
    [ -e $formats/qemu-aarch64 ] || update-binfmts --enable qemu-aarch64 ||
        fail "The kernel does not run arm64 programs: sudo apt install qemu-user-static binfmt-support"
fi

if [ ! -e "$tree/complete" ]; then
    rm -rf "$tree"
    debootstrap --arch=arm64 --variant=minbase --include=python3,init-system-helpers,procps,curl,iproute2 \
        bookworm "$tree" http://deb.debian.org/debian
    touch "$tree/complete"
fi

cp "$package" "$tree/tmp/package.deb"
cp "$here/check_arm_inside.sh" "$tree/tmp/inside.sh"
exec unshare --net --mount --pid --fork chroot "$tree" /bin/sh /tmp/inside.sh
