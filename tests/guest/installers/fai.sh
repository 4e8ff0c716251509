#!/usr/bin/env bash
# Makes an installer that goldsmith's authors did not write, for the proof that [source.iso] works with one: a CD of FAI, Debian's
# Fully Automatic Installation, which puts a small Debian onto /dev/vda and asks nothing. The answers (host name, message of the
# day, classes) come from a FAT volume labelled CIDATA.
#
#   fai.sh OUT.iso
#
# FAI's own programs do the work (fai-make-nfsroot, fai-cd), in a folder of their own: FAI is not installed on this host, and no
# service runs. fai/ beside this script is FAI's configuration: what is installed and how (class, disk_config, scripts),
# and how the CD is made (etc). The new system's packages travel as one archive, FAI's "base file", since unpacking an archive is
# much faster than installing packages where the processor is emulated.
#
# Needs root (FAI mounts a file), mmdebstrap, zstd, and apt's lists of a Debian 12 or newer: its mirror is used.
set -euo pipefail
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
umask 022

die() { printf 'error: %s\n' "$*" >&2; exit 1; }
say() { printf '%5ds %s\n' "$SECONDS" "$*" >&2; }

# --- outside: a temporary folder, and namespaces in which every mount and process ends with this script --------------------
if [ "${1:-}" != --inside ]; then
  [ $# -eq 1 ] || { echo "usage: $0 OUT.iso" >&2; exit 2; }
  [ "$(id -u)" -eq 0 ] || die "only root can make a FAI CD: fai-cd mounts a file"
  out=$(realpath -m "$1")
  [ -d "$(dirname "$out")" ] || die "there is no folder $(dirname "$out")"
  for program in mmdebstrap zstd unshare; do
    command -v "$program" >/dev/null || die "$program is not installed (package ${program/unshare/util-linux})"
  done
  work=$(mktemp -d)
  inside=
  clean() { kill -KILL $inside 2>/dev/null || true; rm -rf --one-file-system "$work"; }
  trap clean EXIT
  trap 'exit 130' INT TERM HUP
  # Everything in the namespaces ends when unshare does. In the background, so that a signal need not wait for it.
  TMPDIR=$work unshare --mount --pid --fork --kill-child --mount-proc "$BASH" "$0" --inside "$work" &
  inside=$!
  wait $inside
  inside=
  mv "$work/fai.iso" "$out"
  exit
fi

work=$2
config=$(dirname "$(realpath "$0")")/fai
codename=$(. /etc/os-release; echo "${VERSION_CODENAME:-}")

# The mirror that this host's apt uses, without backports.
sources() {
  apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' "Created-By: Packages" |
    awk -v c="$codename" '$2 == c || $2 == c "-updates" || $2 == c "-security" {print "deb", $1, $2, $3}' | sort -u
}
sources >"$work/sources.list"
[ -s "$work/sources.list" ] || die "apt knows no packages of ${codename:-this system}: run apt-get update"

# quietly NAME COMMAND...: what the command prints is shown only if it fails.
quietly() {
  local log=$work/$1.log
  shift
  "$@" >"$log" 2>&1 </dev/null || { tail -n 60 "$log" >&2; die "$* failed; see above"; }
}
# debian TARGET [OPTION...]: a Debian in a folder or an archive. Nobody reads its documentation.
debian() {
  local target=$1
  shift
  quietly "$(basename "$target")" mmdebstrap --mode=root --variant=minbase --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    "$@" "$codename" "$target" "$work/sources.list"
}
# The packages that a file in FAI's own format names, separated by commas.
packages() { sed -e 's/#.*//' -e '/^PACKAGES/d' "$1" | xargs | tr ' ' ,; }

# --- the new system, as FAI's base file ------------------------------------------------------------------------------------
# It gets its mirror at the end (scripts), so that FAI does not ask it for updates meanwhile.
mkdir "$work/base"
new_system() {
  debian "$work/base/GOLDSMITH.tar.zst" --include="$(packages "$config/package_config/BASE")" \
    --customize-hook='rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*'
  say "the new system is packed: $(du -h "$work/base/GOLDSMITH.tar.zst" | cut -f 1)"
}
new_system &
new_system=$!

# --- the live system that runs FAI, packed for fai-make-nfsroot ------------------------------------------------------------
# Its packages want to see FAI's mark, and fai-make-nfsroot that it is the first to configure dracut. The initrd
# is made once, by fai-make-nfsroot: INITRD=No keeps the kernel package from it.
# Drivers that a virtual machine's installer has no use for are half of the system, and stay away.
mkdir "$work/live"
useless=({sound,drivers/{gpu,iio,infiniband,media,net,staging}}'/*')
INITRD=No debian "$work/live/base.tar.zst" --include="$(packages "$config/etc/NFSROOT")" \
  "${useless[@]/#/--dpkgopt=path-exclude=/lib/modules/*/kernel/}" \
  --essential-hook='touch "$1/.THIS_IS_THE_FAI_NFSROOT"' \
  --customize-hook='mv "$1/etc/dracut.conf.d" "$1/usr/lib/dracut/"' \
  --customize-hook="copy-in $config/etc/90-cd.conf /usr/lib/dracut/dracut.conf.d" \
  --customize-hook='rm -f "$1/etc/apt/sources.list" "$1/etc/resolv.conf" "$1/etc/hostname"'
say "the live system is packed: $(du -h "$work/live/base.tar.zst" | cut -f 1)"

# --- the folder in which FAI works -----------------------------------------------------------------------------------------
shop=$work/shop
debian "$shop" --include=fai-server,squashfs-tools,dosfstools,mtools,xorriso
say "FAI's tools are ready"
cp -R "$config/etc/." "$shop/etc/fai/"
# No questions are answered in advance (debconf), but FAI wants the folder.
mkdir -p "$shop/srv/fai/config"/{basefiles,debconf} "$shop/var/log/fai" "$shop/srv/work"
cp -R "$config"/{class,disk_config,scripts} "$work/sources.list" "$shop/srv/fai/config/"
mount -t proc proc "$shop/proc"
mount -t sysfs -o ro sysfs "$shop/sys"
mount --rbind /dev "$shop/dev"
mount --bind "$work" "$shop/srv/work"

quietly fai-make-nfsroot chroot "$shop" env -u TMPDIR fai-make-nfsroot -s -B /srv/work/live/base.tar.zst
say "FAI has made its live system"

wait "$new_system"
mv "$work/base/GOLDSMITH.tar.zst" "$shop/srv/fai/config/basefiles/"
# -M: no mirror on the CD; -e: without what fai-make-nfsroot keeps in /var/tmp.
quietly fai-cd chroot "$shop" env -u TMPDIR fai-cd -M -e /srv/work/fai.iso
say "the CD is made: $(du -h "$work/fai.iso" | cut -f 1)"
