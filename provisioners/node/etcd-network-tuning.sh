#!/bin/sh
# Puts the packets of etcd into the first of three bands: udev calls it for every network card.
set -eu
PATH=$PATH:/usr/sbin:/sbin
say() { printf '%s\n' "$2" | systemd-cat -t etcd-tuning -p "$1" || true; }

if [ $# -ne 1 ]; then
  say err "usage: $0 DEVICE"
  exit 1
fi
device=$1
trap 'code=$?; [ $code = 0 ] || say err "the packets of etcd have no precedence on $device"' EXIT

tc qdisc replace dev "$device" root handle 1: prio bands 3
# Peers first, clients second.
for rule in 1:2380 2:2379; do
  for side in sport dport; do
    tc filter add dev "$device" parent 1: protocol ip prio "${rule%%:*}" u32 match ip "$side" "${rule#*:}" 0xffff flowid 1:1
  done
done
say info "the packets of etcd go first on $device"
