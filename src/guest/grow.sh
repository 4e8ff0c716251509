# Grows the root partition and its file system to the end of the disk. cloud-init does so where it runs.
#
# Out: one line, `grown FROM TO` or `kept SIZE` (bytes), or `note TEXT` when it cannot be done.
export LC_ALL=C
has() { command -v "$1" >/dev/null 2>&1; }
size() { df --output=size -B1 / | tail -n 1 | tr -d ' '; }

device=$(findmnt -n -o SOURCE /)
type=$(findmnt -n -o FSTYPE /)
device=${device%%\[*} # of a btrfs subvolume
node=/sys/class/block/$(basename "$(readlink -f "$device")")
before=$(size)
if [ -e "$node/partition" ]; then
  number=$(cat "$node/partition")
  disk=/dev/$(basename "$(dirname "$(readlink -f "$node")")")
  # Where the partition ends and the disk does, in sectors. A megabyte at the end is GPT's own and alignment.
  end=$(($(cat "$node/start") + $(cat "$node/size")))
  all=$(cat "/sys/class/block/$(basename "$disk")/size")
  if [ $((all - end)) -gt 4096 ]; then
    if has growpart; then
      growpart "$disk" "$number" >&2 || { [ $? -eq 1 ]; } # 1: it cannot grow, something is behind it
    elif has sfdisk; then
      sfdisk --no-reread --relocate gpt-bak-std "$disk" >&2 2>&1 || true # not a GPT
      echo ', +' | sfdisk --no-reread --no-tell-kernel -N "$number" "$disk" >&2
      partx --update --nr "$number" "$disk" >&2
    else
      echo "note neither growpart nor sfdisk is installed, so the root file system stays at $before bytes"
      exit 0
    fi
  fi
elif [ ! -e "$node/queue" ] || [ -e "$node/dm" ]; then
  echo "note the root file system is not on a plain partition ($device), so it stays at $before bytes"
  exit 0
fi
case $type in
  ext2 | ext3 | ext4) resize2fs "$device" >&2 ;;
  xfs) xfs_growfs / >&2 ;;
  btrfs) btrfs filesystem resize max / >&2 ;;
  *) echo "note a root file system of type $type is not grown, it stays at $before bytes"; exit 0 ;;
esac
after=$(size)
if [ "$after" = "$before" ]; then echo "kept $before"; else echo "grown $before $after"; fi
