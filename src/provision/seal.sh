# The seal: removes from the guest what the build left. Runs once, as root, as the last script of a build.
#
# In:  BUILD_USER  the login of the build; KEY  the base64 body of its public key; SYSPREP, ZERO, TRIM  yes or no;
#      OWN_HOST_KEY  yes when its host key was the image's all along, instead of the build's
#      KEEP_USER  yes when the login of the build is a user that the system has anyway
# Out: lines that begin with `@seal`: removed THING, trimmed BYTES, note TEXT. Everything else is the tools' own.
#
# The user that is logged in is removed by this very script, so nothing can run after it. The masks of apt's timers are in
# /run and end with the machine.
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

removed() { printf '@seal removed %s\n' "$*"; }
note() { printf '@seal note %s\n' "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }
# Removes what is there of the given paths. Patterns that match nothing come as they are, and are not there.
gone() {
  for path in "$@"; do
    if [ -e "$path" ] || [ -L "$path" ]; then rm -rf -- "$path"; removed "$path"; fi
  done
}
# Overwrites files in place before they go. Trimming gives back whole clusters of the disk image only, so a freed block in
# the company of used ones keeps its content.
wipe() {
  for path in "$@"; do
    if [ -f "$path" ] && [ ! -L "$path" ]; then shred -n 0 -z -- "$path"; fi
  done
}
# Replaces the content of $1 by standard input, keeping owner and mode.
refill() { cat >/run/goldsmith-seal; cat /run/goldsmith-seal >"$1"; rm -f /run/goldsmith-seal; }
homes() { getent passwd | cut -d: -f6 | sort -u | while read -r h; do if [ -d "$h/." ]; then echo "$h"; fi; done; }

systemd=no
if [ -d /run/systemd/system ]; then systemd=yes; fi

if [ "$SYSPREP" = yes ]; then
  # --- Packages: leftovers, caches, lists ----------------------------------------------------------------------------
  if has apt-get; then
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 autoremove --purge </dev/null
    apt-get -q clean
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
    removed "apt caches and package lists"
  elif has dnf; then
    dnf -y autoremove
    dnf clean all
    rm -rf /var/cache/dnf/*
    removed "dnf caches"
  elif has zypper; then
    zypper --non-interactive clean --all
    removed "zypper caches"
  fi

  # The shipped boot menu is the distribution's own, made by the distribution's tool from what is installed now.
  if has update-grub && [ -d /boot/grub ]; then update-grub 2>&1; fi
fi

# --- The way of an offline build to its packages -------------------------------------------------------------------
gone /etc/apt/apt.conf.d/zzz-goldsmith-offline /var/lib/goldsmith-offline
for f in /etc/dnf/dnf.conf /etc/yum.conf /etc/tdnf/tdnf.conf; do
  if [ -f "$f" ] && [ ! -L "$f" ] && grep -q '^# goldsmith-offline begin$' "$f"; then
    sed '/^# goldsmith-offline begin$/,/^# goldsmith-offline end$/d' "$f" | refill "$f"
    removed "the build's proxy in $f"
  fi
done

# --- cloud-init: its memory of this build holds our keys, so it goes in any case -----------------------------------
if [ -d /var/lib/cloud ]; then
  find /var/lib/cloud -xdev -type f -size +0 -exec shred -n 0 -z -- {} +
fi
if has cloud-init; then
  # Never --machine-id: 22.4 deletes the file, and the next boot has a read-only /etc without one.
  cloud-init clean --logs --seed
fi
if [ -d /var/lib/cloud ]; then
  find /var/lib/cloud -xdev -mindepth 1 -delete
  removed "/var/lib/cloud/*"
fi
gone /var/log/cloud-init.log /var/log/cloud-init-output.log
# `ssh_pwauth: false` of the seed; a file with more in it is somebody's own.
f=/etc/ssh/sshd_config.d/50-cloud-init.conf
if [ -f $f ] && [ "$(cat $f)" = "PasswordAuthentication no" ]; then gone $f; fi

# --- Network as cloud-init wrote it for this machine ---------------------------------------------------------------
gone /etc/network/interfaces.d/50-cloud-init /etc/network/interfaces.d/50-cloud-init.cfg \
  /etc/netplan/50-cloud-init.yaml /etc/systemd/network/10-cloud-init-*.network \
  /etc/systemd/network/*-cloud-init-*.link /etc/NetworkManager/system-connections/cloud-init-*.nmconnection \
  /etc/NetworkManager/conf.d/99-cloud-init.conf /etc/udev/rules.d/70-persistent-net.rules \
  /etc/udev/rules.d/85-persistent-net-cloud-init.rules
for f in /etc/sysconfig/network-scripts/ifcfg-*; do
  if [ -f "$f" ] && grep -q 'Created by cloud-init' "$f"; then gone "$f"; fi
done

if [ "$SYSPREP" = yes ]; then
  gone /var/lib/dhcp/*.leases /var/lib/dhcp/*.leases~ /var/lib/dhclient/*.leases /var/lib/dhcpcd/*.lease* \
    /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/internal-*.lease /var/lib/NetworkManager/secret_key \
    /var/lib/NetworkManager/timestamps /var/lib/NetworkManager/seen-bssids
  # dhclient writes the name servers of the build network into a plain file; the next lease brings others.
  if [ -f /etc/resolv.conf ] && [ ! -L /etc/resolv.conf ] && ls /run/dhclient*.pid >/dev/null 2>&1; then
    : >/etc/resolv.conf
    removed "name servers in /etc/resolv.conf"
  fi

  # --- Name and identity ---------------------------------------------------------------------------------------------
  name=$(cat /proc/sys/kernel/hostname)
  if [ -f /etc/hosts ]; then
    awk -v name="$name" '
      /^# Added by cloud-init/ { next }
      $1 == "127.0.1.1" { for (i = 2; i <= NF; i++) if ($i == name) next }
      { print }' /etc/hosts | refill /etc/hosts
  fi
  printf 'localhost\n' >/etc/hostname
  removed "host name $name"
  if [ -e /etc/machine-id ]; then
    # Empty, not absent: systemd fills it at the next boot, and /etc may still be read-only when it looks.
    : >/etc/machine-id
    removed "content of /etc/machine-id"
  fi
  if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
    ln -sf /etc/machine-id /var/lib/dbus/machine-id
    removed "/var/lib/dbus/machine-id (now a link)"
  fi
  # Stopped first, or they write again when the machine goes down.
  if [ $systemd = yes ]; then
    systemctl stop systemd-random-seed.service systemd-update-utmp.service 2>&1 || true
  fi
  gone /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/systemd/credential.secret \
    /boot/efi/loader/random-seed /efi/loader/random-seed

  # --- Traces ----------------------------------------------------------------------------------------------------------
  if [ $systemd = yes ]; then
    systemctl stop syslog.socket rsyslog.service 2>/dev/null || true
    # From here on the journal is in memory.
    if [ -d /var/log/journal ]; then
      journalctl --rotate --relinquish-var
      find /var/log/journal -xdev -mindepth 1 -delete
      removed "journal"
    fi
  fi
  find /var/log -xdev -type f \
    \( -name '*.gz' -o -name '*.xz' -o -name '*.bz2' -o -name '*.zst' -o -name '*.old' -o -name '*.[0-9]' \
    -o -name '*-????????' \) -delete
  find /var/log -xdev -type f -size +0 -exec truncate -s 0 {} +
  removed "logs"
  for h in $(homes); do
    # / and the homes of services are no place for histories.
    case $h in /root | /home/*) ;; *) continue ;; esac
    gone "$h"/.bash_history "$h"/.ash_history "$h"/.zsh_history "$h"/.python_history "$h"/.lesshst "$h"/.viminfo \
      "$h"/.wget-hsts "$h"/.sudo_as_admin_successful "$h"/.ssh/known_hosts "$h"/.ssh/known_hosts.old
  done
  gone /var/lib/systemd/coredump/* /var/crash/* /core
  find /tmp /var/tmp -xdev -mindepth 1 -delete 2>/dev/null || true
  removed "temporary files"
fi

# --- Access: always, whatever the definition says ------------------------------------------------------------------
for h in $(homes); do
  # Ignition has a folder of them.
  for f in "$h/.ssh/authorized_keys" "$h/.ssh/authorized_keys2" "$h"/.ssh/authorized_keys.d/*; do
    [ -f "$f" ] || continue
    if grep -qF -- "$KEY" "$f"; then
      grep -vF -- "$KEY" "$f" >/run/goldsmith-seal || true
      wipe "$f"
      cat /run/goldsmith-seal >"$f"
      rm -f /run/goldsmith-seal
      removed "the build's key in $f"
    fi
    # cloud-init makes an empty one for root.
    if ! grep -q '[^[:space:]]' "$f"; then
      rm -f "$f"
      rmdir "$h/.ssh/authorized_keys.d" 2>/dev/null || true
      rmdir "$h/.ssh" 2>/dev/null || true
    fi
  done
done
f=/etc/sudoers.d/90-cloud-init-users
if [ -f $f ]; then
  awk -v user="$BUILD_USER" '$1 == user || $0 == "# User rules for " user { next } { print }' $f | refill $f
  if ! grep -q '^[^#]*[^#[:space:]]' $f; then gone $f; fi
fi
# The private half of the guest's key was in our hands, so no key of this guest may be used again.
if [ "$SYSPREP" = yes ]; then
  wipe /etc/ssh/ssh_host_*_key
  gone /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
elif [ "$OWN_HOST_KEY" = no ]; then
  wipe /etc/ssh/ssh_host_ed25519_key
  gone /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key.pub
fi
if ! has cloud-init && ! ls /lib/systemd/system/sshd-keygen* /usr/lib/systemd/system/sshd-keygen* >/dev/null 2>&1; then
  note "the SSH host keys are removed, and neither cloud-init nor sshd-keygen is there to make new ones"
fi
if [ "$BUILD_USER" != root ] && [ "$KEEP_USER" = no ]; then
  # -f because it is logged in: through this session, which goes on until the script ends.
  userdel -f -r "$BUILD_USER" 2>&1 || true
  if getent group "$BUILD_USER" >/dev/null; then groupdel "$BUILD_USER" 2>&1 || true; fi
  if grep -q "^$BUILD_USER:" /etc/passwd /etc/shadow; then
    echo "could not remove the user $BUILD_USER" >&2
    exit 1
  fi
  # The tools keep the previous version of what they edit, and that names the user.
  for f in passwd shadow group gshadow subuid subgid; do
    if [ -f "/etc/$f-" ] && grep -q "\b$BUILD_USER\b" "/etc/$f-"; then rm -f "/etc/$f-"; fi
  done
  rm -rf -- "/home/$BUILD_USER" "/var/mail/$BUILD_USER" "/var/spool/mail/$BUILD_USER" \
    "/var/spool/cron/crontabs/$BUILD_USER" "/var/lib/systemd/linger/$BUILD_USER" "/var/lib/sudo/lectured/$BUILD_USER" \
    "/var/db/sudo/lectured/$BUILD_USER"
  removed "user $BUILD_USER with its home and sudo rule"
fi
# Ignition runs at the first boot only, and the next one is another machine's first.
if [ -d /boot/flatcar ]; then
  touch /boot/flatcar/first_boot
  removed "the memory of Ignition's run"
elif [ -d /boot/ignition ] || [ -e /usr/lib/dracut/modules.d/30ignition ]; then
  touch /boot/ignition.firstboot
  removed "the memory of Ignition's run"
fi
if [ "$SYSPREP" = yes ]; then
  # userdel logged itself.
  find /var/log -xdev -type f -size +0 -exec truncate -s 0 {} +
fi

# --- Space: freed blocks go back, so that they become holes and their old content is nowhere -----------------------
sync
if [ "$TRIM" = yes ]; then
  # Memory of the build may be in swap. A new, empty swap area of the same name takes its place.
  tail -n +2 /proc/swaps | while read -r area kind _; do
    swapoff "$area"
    uuid=$(blkid -p -s UUID -o value "$area" || true)
    label=$(blkid -p -s LABEL -o value "$area" || true)
    if [ "$kind" = file ]; then
      size=$(stat -c %s "$area")
      rm -f "$area"
      fallocate -l "$size" "$area"
      chmod 0600 "$area"
    else
      blkdiscard "$area" || note "the disk does not take discards: $area"
    fi
    mkswap ${uuid:+-U "$uuid"} ${label:+-L "$label"} "$area" >/dev/null
    removed "content of swap $area"
  done
fi
if [ "$ZERO" = yes ]; then
  # Each file system once, wherever else it is mounted. What fills it ends with an error, that nothing is left.
  awk '$3 ~ /^(ext[234]|xfs|btrfs|f2fs)$/ && $4 ~ /^rw(,|$)/ && !seen[$1]++ { print $2 }' /proc/mounts | while read -r place; do
    fill=$place/.goldsmith-zeroes
    # Both hold some mebibytes back, from root too: https://docs.kernel.org/admin-guide/ext4.html (reserved_clusters), xfs_io(8) (resblks).
    for held in /sys/fs/ext4/*/reserved_clusters; do
      if [ -w "$held" ]; then echo 0 >"$held"; fi
    done
    if has xfs_io && [ "$(stat -f -c %T "$place")" = xfs ]; then xfs_io -x -c 'resblks 0' "$place" >/dev/null || true; fi
    (umask 077 && dd if=/dev/zero of="$fill" bs=1M 2>/dev/null) || true
    sync
    rm -f "$fill"
    removed "what was in the free space of $place"
  done
  sync
fi
if [ "$TRIM" = yes ]; then
  if has fstrim; then
    trimmed=$(fstrim -av 2>&1 || true)
    printf '%s\n' "$trimmed"
    bytes=$(printf '%s\n' "$trimmed" | sed -n 's/.*(\([0-9][0-9]*\) bytes).*/\1/p' | awk '{ n += $1 } END { printf "%.0f", n }')
    printf '@seal trimmed %s\n' "$bytes"
    if [ "$bytes" = 0 ]; then note "nothing could be trimmed: does the disk take discards?"; fi
  else
    note "fstrim is not installed, so freed blocks stay in the image"
  fi
fi
sync
