#!/bin/sh
# Runs after all packages are installed, with the new system's root folder as $1. Puts our files in, collects what the boot
# partitions need, and removes what must differ between machines.
set -eu
umask 022
root=$1
here=$GOLDSMITH_BOOTSTRAP

rm -f "$root/etc/apt/apt.conf.d/00goldsmith" "$root/etc/dpkg/dpkg.cfg.d/00goldsmith"
if [ -e "$root/etc/apt/sources.list.d/0000$GOLDSMITH_SOURCES" ]; then
    mv "$root/etc/apt/sources.list.d/0000$GOLDSMITH_SOURCES" "$root/etc/apt/sources.list.d/$GOLDSMITH_SOURCES"
fi

cp -R --remove-destination "$here/overlay/." "$root/"
# Keyrings that no package brought.
(cd "$here/keyrings" && find . -type f) | while read -r file; do
    if [ ! -e "$root/$file" ]; then
        mkdir -p "$(dirname "$root/$file")"
        cp "$here/keyrings/$file" "$root/$file"
    fi
done

# The newest kernel boots until update-grub takes over.
kernel=$(cd "$root/boot" && ls | grep '^vmlinuz-' | sort -V | tail -n 1)
[ -n "$kernel" ] || { echo "E: the kernel package put no vmlinuz-* into /boot" >&2; exit 1; }
initrd=initrd.img-${kernel#vmlinuz-}
[ -e "$root/boot/$initrd" ] || { echo "E: there is no /boot/$initrd" >&2; exit 1; }
mkdir -p "$root/boot/grub/i386-pc" "$root/boot/grub/x86_64-efi"
sed -e "s/@KERNEL@/$kernel/" -e "s/@INITRD@/$initrd/" "$here/grub.cfg" >"$root/boot/grub/grub.cfg"
for platform in i386-pc x86_64-efi; do
    if [ -d "$root/usr/lib/grub/$platform" ]; then
        cp "$root/usr/lib/grub/$platform"/*.mod "$root/usr/lib/grub/$platform"/*.lst "$root/boot/grub/$platform/"
    fi
done
mkdir -p -m 700 "$root/boot/efi"

# The core image by the new system's own GRUB: its modules and its tool belong together.
mkdir "$root/tmp/goldsmith"
cp "$here/early.cfg" "$root/tmp/goldsmith/"
# shellcheck disable=SC2086 # a list of modules
chroot "$root" grub-mkimage -O i386-pc -d /usr/lib/grub/i386-pc -p "$GOLDSMITH_GRUB_FOLDER" \
    -c /tmp/goldsmith/early.cfg -o /tmp/goldsmith/core.img $GOLDSMITH_GRUB_MODULES
mkdir "$here/boot"
cp "$root/tmp/goldsmith/core.img" "$root/usr/lib/grub/i386-pc/boot.img" "$here/boot/"
rm -r "$root/tmp/goldsmith"
cp "$root/usr/lib/shim/shimx64.efi.signed" "$here/boot/shim.efi"
cp "$root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$here/boot/grub.efi"
if [ -e "$root/usr/lib/shim/mmx64.efi.signed" ]; then
    cp "$root/usr/lib/shim/mmx64.efi.signed" "$here/boot/mm.efi"
elif [ -e "$root/usr/lib/shim/mmx64.efi" ]; then
    cp "$root/usr/lib/shim/mmx64.efi" "$here/boot/mm.efi"
fi

for unit in systemd-networkd.service systemd-resolved.service sshd-keygen.service ssh.service; do
    chroot "$root" systemctl enable "$unit"
done
ln -sfn ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"

# What must differ between machines, and what belongs to the build host.
rm -f "$root"/etc/ssh/ssh_host_*_key "$root"/etc/ssh/ssh_host_*_key.pub
rm -f "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed"
: >"$root/etc/machine-id"
chmod 444 "$root/etc/machine-id"
chroot "$root" usermod -p '*' root
