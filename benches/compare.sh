#!/bin/bash
# Compares `goldsmith convert` with the public tools that do the same work, and prints medians, ratios and sizes.
#
#   benches/compare.sh [IMAGE]
#
# Without IMAGE it makes one: a qcow2 of 8 GiB virtual size with an ext4 of about 1.5 GiB from this machine's /usr in it, of
# which a tenth was deleted again and trimmed. Both sides of a pair run in turn (A B A B ...), so that what else the machine
# does hits both; the median of RUNS (3) counts. Everything is read once beforehand: this compares work, not disks.
#
# GOLDSMITH is the program (default: target/release/goldsmith of this checkout), WORK a folder with 30 GiB of space (default: a
# temporary one), ONLY a space-separated choice of: gz fast ova zstd zlib together lz4 memory sparse.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
goldsmith=${GOLDSMITH:-$here/target/release/goldsmith}
runs=${RUNS:-3}
only=${ONLY:-gz fast ova zstd zlib together lz4 memory sparse}
threads=$(nproc)

for program in qemu-img qemu-io pigz gzip lz4 sha256sum tar mke2fs debugfs bc; do
    command -v "$program" > /dev/null || {
        echo "compare.sh: $program is missing: apt-get install qemu-utils pigz gzip lz4 coreutils tar e2fsprogs bc" >&2
        exit 1
    }
done
[ -x "$goldsmith" ] || { echo "compare.sh: no $goldsmith: cargo build --release, or set GOLDSMITH" >&2; exit 1; }

if [ -n "${WORK:-}" ]; then
    work=$WORK
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
cd "$work"

# The image: a file system filled without being root. mke2fs leaves unused blocks unwritten, and a deleted file's blocks are
# punched out of the raw file, as a guest's fstrim would.
make_image() {
    local tree=$work/tree bytes=0
    mkdir -p "$tree"
    while IFS= read -r -d '' file; do
        size=$(stat -c %s "$file")
        [ $((bytes + size)) -le $((1500 << 20)) ] || break
        mkdir -p "$tree$(dirname "$file")"
        cp "$file" "$tree$file" 2> /dev/null || continue
        bytes=$((bytes + size))
    done < <(find /usr/bin /usr/lib /usr/share /usr/sbin /usr/libexec -xdev -type f -readable -print0 2> /dev/null |
        LC_ALL=C sort -z)
    echo "source: $((bytes >> 20)) MiB of files from /usr" >&2
    truncate -s 8G source.raw
    mke2fs -q -t ext4 -F -E nodiscard,lazy_itable_init=1 -d "$tree" source.raw
    # Every tenth file is deleted; its blocks become holes.
    (cd "$tree" && find . -type f -size +64k | LC_ALL=C sort | awk 'NR % 10 == 0') | sed 's/^\.//' > deleted
    while IFS= read -r file; do
        debugfs -R "blocks \"$file\"" source.raw 2> /dev/null | tr ' ' '\n' | grep -E '^[0-9]+$' || true
    done < deleted | sort -n | awk '
        NR == 1 { start = $1; last = $1; next }
        $1 == last + 1 { last = $1; next }
        { print start, last - start + 1; start = $1; last = $1 }
        END { if (NR) print start, last - start + 1 }' > freed
    sed 's/.*/rm "&"/' deleted | debugfs -w -f - source.raw > /dev/null 2>&1
    while read -r start count; do
        fallocate --punch-hole --offset $((start * 4096)) --length $((count * 4096)) source.raw
    done < freed
    qemu-img convert -f raw -O qcow2 source.raw source.qcow2
    rm -rf "$tree" source.raw
}

image=${1:-$work/source.qcow2}
[ -e "$image" ] || make_image
image=$(realpath "$image")
cat "$image" > /dev/null
qemu-img info "$image" | sed -n '/virtual size\|disk size/p'
echo "$threads cores, load $(cut -d' ' -f1 /proc/loadavg), $("$goldsmith" --version 2> /dev/null || true), $(qemu-img --version | head -1)"
echo

seconds() { # COMMAND...: how long it takes
    local begin end
    begin=$(date +%s.%N)
    "$@" > log 2>&1 || { cat log >&2; echo "compare.sh: failed: $*" >&2; exit 1; }
    end=$(date +%s.%N)
    echo "$end - $begin" | bc
}

median() { sort -n | awk '{ all[NR] = $1 } END { printf "%.2f\n", all[int((NR + 1) / 2)] }'; }

# pair NAME THEIRS OURS [THEIR-FILE OUR-FILE]: both are functions.
pair() {
    local name=$1 theirs=$2 ours=$3 a b
    : > a.times
    : > b.times
    for _ in $(seq "$runs"); do
        seconds "$theirs" >> a.times
        seconds "$ours" >> b.times
    done
    a=$(median < a.times)
    b=$(median < b.times)
    printf '%-34s peers %8.2f s   goldsmith %7.2f s   %5.1f times faster' "$name" "$a" "$b" "$(echo "$a / $b" | bc -l)"
    if [ $# -ge 5 ]; then
        a=$(stat -c %s "$4")
        b=$(stat -c %s "$5")
        printf '   size %s / %s = %.3f' "$b" "$a" "$(echo "$b / $a" | bc -l)"
    fi
    echo
}

wanted() { case " $only " in *" $1 "*) ;; *) return 1 ;; esac; }
convert() { "$goldsmith" convert "$@"; }

their_gz() {
    rm -f peer.raw peer.raw.gz
    qemu-img convert -f qcow2 -O raw "$image" peer.raw
    pigz -6 -k -f peer.raw
    sha256sum peer.raw.gz > peer.raw.gz.sha256
}
our_gz() { convert "$image" -o ours.raw.gz; }
our_fast_gz() { convert "$image" --level 1 -o fast.raw.gz; }
their_ova() {
    qemu-img convert -f qcow2 -O vmdk -o subformat=streamOptimized "$image" peer.vmdk
    printf 'SHA256(peer.vmdk)= %s\n' "$(sha256sum peer.vmdk | cut -d' ' -f1)" > peer.mf
    tar --format=ustar -cf peer.ova peer.mf peer.vmdk
    sha256sum peer.ova > peer.ova.sha256
}
our_ova() { convert "$image" -o ours.ova; }
their_zstd() {
    qemu-img convert -f qcow2 -O qcow2 -c -o compression_type=zstd -m "$threads" "$image" peer-zstd.qcow2
    sha256sum peer-zstd.qcow2 > peer-zstd.qcow2.sha256
}
our_zstd() { convert "$image" --qcow2-compression zstd -o ours-zstd.qcow2; }
their_zlib() {
    qemu-img convert -f qcow2 -O qcow2 -c -o compression_type=zlib -m "$threads" "$image" peer-zlib.qcow2
    sha256sum peer-zlib.qcow2 > peer-zlib.qcow2.sha256
}
our_zlib() { convert "$image" --qcow2-compression zlib -o ours-zlib.qcow2; }
three_alone() { our_gz; our_ova; our_zlib; }
three_together() { convert "$image" --qcow2-compression zlib -o all.raw.gz -o all.ova -o all.qcow2; }
their_lz4() { lz4 -dc two.img.lz4 | gzip > peer-two.raw.gz; }
our_lz4() { convert two.img.lz4 -o ours-two.raw.gz; }

wanted gz && pair "raw.gz" their_gz our_gz peer.raw.gz ours.raw.gz
wanted fast && pair "raw.gz --level 1" their_gz our_fast_gz peer.raw.gz fast.raw.gz
rm -f peer.raw
wanted ova && pair "OVA" their_ova our_ova peer.ova ours.ova
wanted zstd && pair "qcow2, zstd" their_zstd our_zstd peer-zstd.qcow2 ours-zstd.qcow2
wanted zlib && pair "qcow2, zlib" their_zlib our_zlib peer-zlib.qcow2 ours-zlib.qcow2
if wanted together; then
    pair "raw.gz + OVA + qcow2: alone, at once" three_alone three_together
    for pair in "all.raw.gz ours.raw.gz" "all.qcow2 ours-zlib.qcow2"; do
        # shellcheck disable=SC2086 # two words
        cmp $pair || { echo "an output depends on the others: $pair" >&2; exit 1; }
    done
fi
if wanted lz4; then
    [ -e two.img.lz4 ] || {
        qemu-img convert -f qcow2 -O raw "$image" two.raw
        truncate -s 2G two.raw
        lz4 -q -f two.raw two.img.lz4
        rm two.raw
    }
    pair "2 GiB .img.lz4 to raw.gz" their_lz4 our_lz4 peer-two.raw.gz ours-two.raw.gz
fi
if wanted memory; then
    "$goldsmith" convert "$image" --qcow2-compression zstd -o m.raw -o m.raw.gz -o m.raw.zst -o m.raw.lz4 -o m.qcow2 -o m.vmdk \
        -o m.ova -o m.vhd > log 2>&1 &
    pid=$!
    peak=0
    while read -r _ now _ < <(grep VmHWM "/proc/$pid/status" 2> /dev/null); do
        peak=$now
        sleep 0.2
    done
    wait $pid || { cat log >&2; exit 1; }
    printf '%-34s %s MiB peak memory (VmHWM)\n' "eight outputs at once" $((peak / 1024))
    rm -f m.*
fi
if wanted sparse; then
    # The same data in a disk of 2 TiB.
    qemu-img create -q -f qcow2 sparse.qcow2 2T
    for gib in 0 1 1000 2040; do
        qemu-io -f qcow2 -c "write -P 7 ${gib}G 256M" sparse.qcow2 > /dev/null
    done
    for to in raw.qcow2 vmdk; do
        printf '%-34s %s s\n' "2 TiB with 1 GiB of data to ${to#raw.}" "$(seconds convert sparse.qcow2 -o "sparse-out.$to")"
    done
    rm -f sparse.qcow2 sparse-out.*
fi
