#!/usr/bin/env bash
# Sets up what goldsmith needs on a Debian or Ubuntu host: says what is missing and why, installs it, removes nothing.
#
#   scripts/setup.sh build   to compile goldsmith and to build images with it
#   scripts/setup.sh test    the same, and what the tests compare against
#   scripts/setup.sh --list [build|test]   only print the packages, one a line
set -euo pipefail
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

# package, or package1|package2 when releases name it differently; then why
build_packages() {
  cat <<'LIST'
gcc                        compiles the C parts of some crates
libc6-dev                  the same
pkg-config                 finds libvirt at compile time
libvirt-dev                headers of libvirt, which drives QEMU
libvirt-daemon-driver-qemu libvirt's QEMU driver, loaded into the process: no daemon runs
qemu-system-x86            runs the guests
ovmf                       UEFI firmware for the guests
mmdebstrap                 assembles Debian systems from a mirror
debian-archive-keyring     the keys that Debian's archives are signed with
e2fsprogs                  makes ext4 file systems from a folder, without mounting
uidmap                     lets ordinary users own a guest's files in a user namespace
util-linux                 namespaces for the bootstrap
mount                      mounts inside those namespaces
LIST
}
test_packages() {
  cat <<'LIST'
qemu-utils                 qemu-img is the oracle of the disk tests
libvirt-daemon             the session daemon, for the tests of qemu:///session
libvirt-clients            virsh, to look from outside
openssh-server             a real sshd for the SSH tests (never left running)
openssh-client             ssh, for --on-error shell and for builds on another host
fdisk                      sfdisk checks our partition tables
mtools                     reads our seed volumes
python3-yaml               reads the YAML that we write
xorriso                    makes ISOs as Debian and Ubuntu do, and reads ours
genisoimage                makes ISOs as older tools did; its isoinfo reads ours
lz4                        makes compressed inputs
bzip2                      makes compressed inputs
xz-utils                   makes compressed inputs
zstd                       makes compressed inputs
zip                        makes archives
unzip                      unpacks them, as a guest does
sudo                       its visudo checks rules, as in a guest
dnf                        runs our scripts for dnf, in a root of its own
rpm                        makes packages for that
dpkg-dev                   lists packages, for a repository for apt
gpg                        signs it
ansible-core               runs a playbook against a guest
createrepo-c               makes a repository of them
skopeo                     makes archives of container images, for the Kubernetes node
docker-registry            a registry of container images (never left running)
umoci                      makes container images, for the same
cpio                       unpacks what we put into initial RAM disks
isolinux                   boots such a medium
syslinux-common            the rest of it
debian-installer-12-netboot-amd64 an installer that we did not write
golang-go                  compiles the vCenter of the tests of vSphere
golang-github-vmware-govmomi-dev the simulator that it is made of
python3                    its gzip reader checks ours
python3-venv               keeps the Python programs in scripts/peers.txt apart from the host's
LIST
  # Older releases have it in libvirt-daemon.
  if apt-cache show libvirt-daemon-driver-storage >/dev/null 2>&1; then
    echo "libvirt-daemon-driver-storage keeps disks, for the tests of builds on another host"
  fi
}

list() { build_packages; if [ "${1:-build}" = test ]; then test_packages; fi; }
if [ "${1:-}" = --list ]; then list "${2:-build}" | awk '{print $1}'; exit 0; fi
what=${1:-build}
case $what in build|test) ;; *) echo "usage: $0 [--list] build|test" >&2; exit 2 ;; esac

say() { printf '\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf "%s\n" "$*"; }
die() { printf 'error: %s\n' "$1" >&2; shift; for hint in "$@"; do printf 'hint: %s\n' "$hint" >&2; done; exit 3; }

# --- toolchain -------------------------------------------------------------------------------------------------------
wanted=$(awk -F'"' '/^rust-version/ {print $2}' "$(dirname "$0")/../Cargo.toml")
command -v cargo >/dev/null || die "cargo, the Rust build tool, is not installed (Rust $wanted or newer is needed)" \
  "install it with rustup (https://rustup.rs), or your distribution's rustup package, and run this again"
have=$(rustc --version | awk '{print $2}')
if [ "$(printf '%s\n%s\n' "$wanted" "${have%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
  die "Rust $have is installed, and $wanted or newer is needed" "rustup update stable"
fi

# --- packages --------------------------------------------------------------------------------------------------------
command -v apt-get >/dev/null || die "this is not a Debian or Ubuntu host: apt-get is missing" \
  "install the equivalents of: $(list "$what" | awk '{print $1}' | paste -sd' ')"
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo --preserve-env=DEBIAN_FRONTEND "$@"
  else die "installing packages needs root, and sudo is not installed" "run as root: apt-get install ${missing[*]}"; fi
}
missing=()
# Which packages there are is asked below.
apt-cache show libvirt-daemon >/dev/null 2>&1 || as_root apt-get update -q
while read -r package why; do
  if ! dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed; then
    missing+=("$package")
    [ ${#missing[@]} -gt 1 ] || say "Missing on this host:"
    printf '  %-28s %s\n' "$package" "$why"
  fi
done < <(list "$what")
had_sshd=yes
case " ${missing[*]:-} " in *" openssh-server "*) had_sshd=no ;; esac

# Packages must not start services here: the host belongs to its user.
policy=/usr/sbin/policy-rc.d
quietly_install() {
  local ours=no
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null; as_root chmod 755 $policy; ours=yes; fi
  local status=0
  as_root apt-get install -y -q --no-install-recommends "$@" || status=$?
  if [ $ours = yes ]; then as_root rm -f $policy; fi
  return $status
}
removes() { apt-get install -s --no-install-recommends "$@" 2>/dev/null | grep -q '^Remv'; }
possible() { apt-get install -s --no-install-recommends "$@" >/dev/null 2>&1; }

# Some hosts have parts of QEMU from backports; the rest must then come from there too. The address is the one that this
# host's apt already uses.
enable_backports() {
  local codename file=/etc/apt/sources.list.d/goldsmith-backports.sources
  codename=$(. /etc/os-release; echo "${VERSION_CODENAME:-}")
  [ -n "$codename" ] || return 1
  local stanza
  stanza=$(awk -v RS= -v ORS='\n\n' -v c="$codename" '$0 ~ "Suites:[^\n]*(^|[ \t])" c "([ \t]|\n|$)" {
      gsub(/Suites:[^\n]*/, "Suites: " c "-backports"); print; exit }' /etc/apt/sources.list.d/*.sources 2>/dev/null | grep -v '^#' || true)
  [ -n "$stanza" ] || return 1
  say "Adding $file ($codename-backports, from the mirror this host already uses)"
  printf '%s\n' "$stanza" | as_root tee "$file" >/dev/null
  as_root apt-get update -q
}

if [ ${#missing[@]} -gt 0 ]; then
  possible "${missing[@]}" || as_root apt-get update -q
  release=()
  if removes "${missing[@]}" || ! possible "${missing[@]}"; then
    codename=$(. /etc/os-release; echo "${VERSION_CODENAME:-}")
    if ! possible -t "$codename-backports" "${missing[@]}" || removes -t "$codename-backports" "${missing[@]}"; then
      enable_backports || true
    fi
    if possible -t "$codename-backports" "${missing[@]}" && ! removes -t "$codename-backports" "${missing[@]}"; then
      release=(-t "$codename-backports")
    else
      apt-get install -s --no-install-recommends "${missing[@]}" >&2 || true
      die "the missing packages cannot be installed without removing others" "see apt's reasons above"
    fi
  fi
  say "Installing ${#missing[@]} packages"
  quietly_install "${release[@]}" "${missing[@]}"
  if [ $had_sshd = no ] && command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then
    as_root systemctl disable --quiet ssh.service ssh.socket 2>/dev/null || true
  fi
fi

# --- libvirt's user --------------------------------------------------------------------------------------------------
# As root, libvirt's QEMU driver does not start unless the user it was compiled for exists. Debian makes that user only with the
# package that also starts a daemon.
if [ "$(id -u)" -eq 0 ] && ! id libvirt-qemu >/dev/null 2>&1; then
  say "Adding the system user libvirt-qemu, without which root cannot use libvirt"
  useradd --system --user-group --home-dir /var/lib/libvirt --no-create-home --shell /usr/sbin/nologin libvirt-qemu
fi

# --- test user -------------------------------------------------------------------------------------------------------
# Root's tests also run goldsmith as an ordinary user; that user needs subordinate ids, as any user of Debian has.
if [ "$what" = test ] && [ "$(id -u)" -eq 0 ] && ! id goldsmith-test >/dev/null 2>&1; then
  say "Adding the user goldsmith-test, as whom root's tests run goldsmith without privileges"
  useradd --create-home --shell /bin/sh goldsmith-test
fi

# --- Python programs -------------------------------------------------------------------------------------------------
# Readers of VMDK, OVA and installers' answers that others wrote; a folder of their own, made anew when the list changes, which names all that they need.
peers=$(cd "$(dirname "$0")/.." && pwd)/target/peers
if [ "$what" = test ] && ! cmp -s "$(dirname "$0")/peers.txt" "$peers/peers.txt"; then
  say "Installing the Python programs that tests compare against into $peers"
  rm -rf "$peers"
  python3 -m venv "$peers"
  "$peers/bin/pip" install -q --disable-pip-version-check --no-deps -r "$(dirname "$0")/peers.txt"
  # cloud-init is not on PyPI. Installed as a package it would take part in this host's next boot, so it is only unpacked.
  mkdir "$peers/cloud-init"
  (cd "$peers/cloud-init" && apt-get download -q cloud-init && dpkg-deb -x cloud-init_*.deb . && rm cloud-init_*.deb) ||
    die "cloud-init could not be downloaded with apt" "see apt's reasons above; \`apt-get update\` may help"
  cp "$(dirname "$0")/peers.txt" "$peers/peers.txt"
fi

# --- the vCenter of the tests ----------------------------------------------------------------------------------------
# Made of the distribution's packages only: nothing is downloaded.
vcsim=$peers/vcsim
sources=$(cd "$(dirname "$0")/../tests/vcsim" && pwd)
if [ "$what" = test ] && { [ ! -x "$vcsim" ] || [ -n "$(find "$sources" -newer "$vcsim" -print -quit)" ]; }; then
  say "Compiling the vCenter of the tests into $vcsim"
  (cd "$sources" && GO111MODULE=off GOFLAGS= GOPATH=/usr/share/gocode GOCACHE="$(dirname "$peers")/go-cache" go build -o "$vcsim" .) ||
    die "the vCenter of the tests could not be compiled" "see the Go compiler's reasons above; its sources are in tests/vcsim"
fi
say "Ready to $what."
