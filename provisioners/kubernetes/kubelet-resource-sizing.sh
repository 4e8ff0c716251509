#!/bin/sh
# Reserves memory and CPU for the system by the size of the machine: before each start of the kubelet, since machines grow.
# Whoever sets systemReserved in a file of his own keeps it.
set -eu

folder=/var/lib/kubelet/kubelet.conf.d
ours=$folder/kubelet-resource-sizing.conf

for f in /var/lib/kubelet/config.yaml "$folder"/*; do
  if [ "$f" = "$ours" ] || [ ! -f "$f" ]; then continue; fi
  if grep -Eq '^[[:space:]]*systemReserved[[:space:]]*:|"systemReserved"' "$f"; then
    # The kubelet reads files in the order of their names, so ours could win.
    rm -f "$ours"
    exit 0
  fi
done

# Memory: 255 MiB below 1 GiB; else 25 % of the first 4 GiB, 20 % of the next 4, 10 % of the next 8, 6 % up to 128 GiB and
# 2 % of the rest.
memory=$(awk '
  function ceil(x) { return x == int(x) ? x : int(x) + 1 }
  function slice(size, share,   part) {
    part = left < size ? left : size
    left -= part
    return ceil(part * share)
  }
  /^MemTotal:/ {
    left = int($2 / 1024)
    if (left < 1024) { print 255; exit }
    sum = slice(4096, 0.25) + slice(4096, 0.2) + slice(8192, 0.1) + slice(114688, 0.06)
    print sum + ceil(left * 0.02)
    exit
  }' /proc/meminfo)

# CPU, in tenths of a thousandth: 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of each other.
cores=$(nproc)
share=0
i=0
while [ "$i" -lt "$cores" ]; do
  case $i in
    0) share=$((share + 600)) ;;
    1) share=$((share + 100)) ;;
    2 | 3) share=$((share + 50)) ;;
    *) share=$((share + 25)) ;;
  esac
  i=$((i + 1))
done
cpu=$(((share + 9) / 10))

mkdir -p "$folder"
cat >"$ours.new" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
systemReserved:
  cpu: ${cpu}m
  memory: ${memory}Mi
END
mv "$ours.new" "$ours"
