#!/bin/bash
# Runs fuzz targets one after the other, each for SECONDS_EACH (600) seconds, and goes on after a finding.
#
#   fuzz/run.sh [TARGET...]        (default: all)
#
# Begins with small valid files in fuzz/corpus, without which few inputs would get past the first check, and keeps there what
# it learns. What it finds goes to fuzz/artifacts; reproduce with `cargo +nightly fuzz run TARGET FILE`.
set -euo pipefail
cd "$(dirname "$0")/.."

missing() { echo "fuzz/run.sh: $1" >&2; exit 1; }
cargo +nightly --version > /dev/null 2>&1 || missing "no nightly compiler: rustup toolchain install nightly"
cargo fuzz --version > /dev/null 2>&1 || missing "no cargo-fuzz: cargo install cargo-fuzz"
for program in qemu-img qemu-io sfdisk mke2fs xz zstd lz4 bzip2 xorriso genisoimage; do
    command -v "$program" > /dev/null || missing "no $program: scripts/setup.sh test installs it"
done

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)
seconds=${SECONDS_EACH:-600}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
seed=fuzz/corpus
mkdir -p $seed/{qcow2,gpt,decompress,definition,vmdk,vhd,ova,input,iso,answers,manifests,var_files}
cp tests/it/answers/snapshots/*.snap $seed/answers/
cp tests/it/eksa/*.yaml $seed/manifests/

# A disk with text, noise and much that was never written.
{ head -c 3000 README.md; head -c 3000 /dev/urandom; } > "$work/small"
truncate -s 1M "$work/disk.raw"
dd if="$work/small" of="$work/disk.raw" conv=notrunc bs=4k seek=3 status=none

qcow2() { qemu-img convert -q -f raw -O qcow2 "$@"; }
for cluster in 512 4096; do
    qcow2 -o cluster_size=$cluster "$work/disk.raw" $seed/qcow2/plain-$cluster
    qcow2 -c -o cluster_size=$cluster "$work/disk.raw" $seed/qcow2/zlib-$cluster
    qcow2 -c -o cluster_size=$cluster,compression_type=zstd "$work/disk.raw" $seed/qcow2/zstd-$cluster
done
qcow2 -o compat=0.10,cluster_size=4096 "$work/disk.raw" $seed/qcow2/version-2
qcow2 -o extended_l2=on,cluster_size=16k "$work/disk.raw" $seed/qcow2/extended
qemu-io -f qcow2 -c 'write -z 64k 8k' -c 'write -P 6 4k 2k' -c 'discard 128k 16k' $seed/qcow2/extended > /dev/null
for kind in monolithicSparse streamOptimized; do
    qemu-img convert -q -f raw -O vmdk -o subformat=$kind "$work/disk.raw" $seed/vmdk/$kind
done
printf '%s\n' '# Disk DescriptorFile' 'version=1' 'CID=fffffffe' 'parentCID=ffffffff' 'createType="twoGbMaxExtentFlat"' \
    'RW 2048 FLAT "a-flat.vmdk" 0' 'RW 2048 ZERO' > $seed/vmdk/descriptor
head -c 65536 "$work/disk.raw" > "$work/tiny.raw"
qemu-img convert -q -f raw -O vpc -o subformat=fixed,force_size=on "$work/tiny.raw" $seed/vhd/fixed
# One of two blocks is in use; the other half of the file is cut off, and the copy of the footer counts.
qemu-img create -q -f vpc -o subformat=dynamic,force_size=on "$work/dynamic.vhd" 4M
qemu-io -f vpc -c 'write -P 9 0 64k' "$work/dynamic.vhd" > /dev/null
head -c 65536 "$work/dynamic.vhd" > $seed/vhd/dynamic
truncate -s 128K "$work/gpt"
printf 'label: gpt\nfirst-lba: 34\nsize=16, type=U\nsize=20, name="r\303\244um"\n' | sfdisk -q "$work/gpt"
cp "$work/gpt" $seed/gpt/two
printf 'label: dos\nsize=16\nsize=16,type=5\nsize=8\n' | sfdisk -q "$work/gpt" --wipe always 2> /dev/null || true
cp "$work/gpt" $seed/gpt/mbr
tar -C $seed/vmdk -cf $seed/ova/plain --format=ustar streamOptimized
cat > "$work/disk.ovf" <<'OVF'
<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:href="disk.vmdk" ovf:id="file1"/></References>
  <DiskSection><Info>d</Info><Disk ovf:capacity="1048576" ovf:diskId="vmdisk1" ovf:fileRef="file1"/></DiskSection>
</Envelope>
OVF
cp $seed/vmdk/streamOptimized "$work/disk.vmdk"
(cd "$work" && sha256sum disk.ovf disk.vmdk | sed 's/^\([0-9a-f]*\)  \(.*\)$/SHA256(\2)= \1/' > disk.mf)
tar -C "$work" -cf $seed/ova/whole --format=ustar disk.ovf disk.mf disk.vmdk
for pack in "gzip -c" "gzip -1c" "xz -c" "xz -0c --check=crc32" "zstd -qc" "zstd -qc --check -19" "lz4 -qc" "lz4 -qlc" "lz4 -qc -B4 -BD" "bzip2 -c"; do
    # shellcheck disable=SC2086 # words
    $pack "$work/small" > "$seed/decompress/$(echo "$pack" | tr -d ' -')"
done
cat $seed/decompress/gzip* > $seed/decompress/two
cp examples/*.toml $seed/definition/
cp $seed/qcow2/*-512 $seed/vhd/fixed $seed/vmdk/descriptor $seed/gpt/two $seed/ova/whole $seed/input/
truncate -s 512K "$work/ext4"
mke2fs -q -t ext4 -O ^has_journal -N 16 -F "$work/ext4"
gzip -c "$work/ext4" > $seed/input/ext4.gz
zstd -qc $seed/qcow2/plain-512 > $seed/input/qcow2.zst
# Without the 32 KiB at the front, which mean nothing, and the zeroes at the end.
mkdir -p "$work/tree/1/2/3/4/5/6/7/8/9/10" "$work/tree/b"
head -c 2048 README.md > "$work/tree/boot.img"
echo deep > "$work/tree/1/2/3/4/5/6/7/8/9/10/$(printf 'n%.0s' {1..240})"
ln -s ../b/./boot "$work/tree/b/link"
mkdir -p "$work/tree/boot/grub" "$work/tree/isolinux"
# shellcheck disable=SC2016 # GRUB's variables
printf 'set a=b\nmenuentry "Install $a" {\n linux /boot.img $a ---\n initrd /boot.img\n}\n' > "$work/tree/boot/grub/grub.cfg"
printf 'label x\n menu label ^Install\n kernel /boot.img\n append initrd=/boot.img a\n' > "$work/tree/isolinux/isolinux.cfg"
medium() { tail -c +32769 "$work/medium.iso" | sed 's/\x00*$//' > "$seed/iso/$1"; }
boot="-b boot.img -c boot.cat -no-emul-boot -boot-load-size 4"
# shellcheck disable=SC2086 # words
{
    xorriso -as mkisofs -quiet -R -J -joliet-long $boot -o "$work/medium.iso" "$work/tree" && medium xorriso
    genisoimage -quiet -R -J $boot -o "$work/medium.iso" "$work/tree" && medium genisoimage
    genisoimage -quiet -D -J -joliet-long $boot -o "$work/medium.iso" "$work/tree" && medium joliet
    genisoimage -quiet -D -l $boot -o "$work/medium.iso" "$work/tree" && medium plain
}

# C code under the sanitizer has constants of one name in several files, which it would report before anything else.
export ASAN_OPTIONS=detect_odr_violation=0
found=0
for target in "${targets[@]}"; do
    # Compiling does not count.
    cargo +nightly fuzz build "$target"
    end=$(($(date +%s) + seconds))
    while left=$((end - $(date +%s))) && [ $left -gt 0 ]; do
        cargo +nightly fuzz run "$target" -- -max_total_time=$left -rss_limit_mb=1500 -timeout=20 -print_final_stats=1 && break
        found=1
    done
done
exit $found
