#!/bin/sh
# Runs as (possibly mapped) root in mount and process namespaces of its own; everything in them ends with this script.
# Arguments: those of mmdebstrap. Environment: GOLDSMITH_BOOTSTRAP, the folder with our files; GOLDSMITH_DISK, the raw disk.
set -eu
umask 022
here=$GOLDSMITH_BOOTSTRAP

# Standard input is a pipe that ends when goldsmith does, however that happens. Killing everybody else ends us too.
exec 3<&0 </dev/null
(cat <&3 >/dev/null; kill -KILL -1) &
exec 3<&-

mmdebstrap "$@"

# A file system under another mount point becomes a tree of its own; the deepest mount point comes first.
echo "I: making file systems..." >&2
mkdir "$here/trees"
number=0
tab=$(printf '\t')
while IFS=$tab read -r offset kib uuid label mount; do
    number=$((number + 1))
    mode=755
    tree=$here/trees/$number
    if [ "$mount" = / ]; then
        tree=$here/root
    else
        mkdir -p "$here/root$mount"
        mode=$(stat -c %a "$here/root$mount")
        mv "$here/root$mount" "$tree"
        mkdir "$here/root$mount"
    fi
    [ "$label" != - ] || label=
    # The features are those that every kernel and fsck of the last ten years knows, whatever this host's defaults are.
    mke2fs -q -F -t ext4 -b 4096 -I 256 \
        -O none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum \
        -E "offset=$offset,nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0" \
        -U "$uuid" -L "$label" -d "$tree" "$GOLDSMITH_DISK" "${kib}k"
    # mke2fs gives the root folder its own mode: right for all but the likes of /tmp.
    [ "$mode" = 755 ] || debugfs -w -R "set_inode_field / mode 04$mode" "$GOLDSMITH_DISK?offset=$offset" >/dev/null 2>&1
done <"$here/file-systems"

rm -rf "$here/root" "$here/trees"
