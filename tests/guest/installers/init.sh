#!/bin/sh
# A stand-in for an installer: a kernel and this script. It finds its answers by the label of a second medium, copies a system
# from its own medium to the first disk, and restarts.
export PATH=/usr/bin:/usr/sbin:/bin:/sbin:/stand-in
mkdir -p /dev /proc /sys
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
exec </dev/console >/dev/console 2>&1
say() { echo "stand-in: $*"; }
die() { say "failed: $*"; poweroff -f; }

while read -r module; do insmod "/stand-in/$module" || say "no $module"; done </stand-in/order
mkdir -p /medium /answers /target
say "looking for the medium"
tries=0
until mount -t iso9660 -o ro /dev/sr0 /medium; do
    tries=$((tries + 1))
    [ $tries -lt 30 ] || die "no medium"
    sleep 1
done 2>/dev/null
busybox grep -q 'kept=yes' /proc/cmdline || die "the arguments of the boot menu are not there"
answers=$(blkid -t LABEL=CIDATA -o device)
[ -n "$answers" ] || die "no volume called CIDATA"
mount -t vfat -o ro "$answers" /answers || die "the volume of answers cannot be read"
. /answers/install.conf
say "answers from $answers: $marker"
[ ! -d /sys/firmware/efi ] || say "started by EFI"
case ${behave:-} in
    hang) say "waiting for ever"; while :; do sleep 60; done ;;
    nothing) say "restarting with nothing done"; reboot -f ;;
    break) say "An installation step failed."; while :; do sleep 60; done ;;
esac
while read -r seek count skip; do
    say "copying $count MiB to $seek"
    busybox dd if=/medium/system.blocks of=/dev/vda bs=1048576 skip="$skip" seek="$seek" count="$count" conv=notrunc 2>/dev/null ||
        die "copying"
done </medium/system.map
sync
busybox blockdev --rereadpt /dev/vda || say "the new partitions are not seen"
root=$(blkid -t TYPE=ext4 -o device | busybox grep '^/dev/vda' | busybox head -n 1)
mount -t ext4 "$root" /target || die "the new system cannot be mounted"
echo "$marker" >/target/etc/installed-by
# What the answers want to be done in the end, as the late commands of real installers.
if command -v late >/dev/null; then
    say "late commands"
    (cd /target && late) || die "late commands"
fi
umount /target
sync
say "restarting into the new system"
reboot -f
