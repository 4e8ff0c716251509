#!/bin/sh
# After the first boot the host name is the node's name in its cluster: cloud-init must not change it at a later one.
set -eu
f=/etc/cloud/cloud.cfg
if grep -q '^preserve_hostname: *false' "$f"; then
  sed -i 's/^preserve_hostname: *false/preserve_hostname: true/' "$f"
fi
