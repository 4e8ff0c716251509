#!/bin/bash
# Provisions one guest with goldsmith and one with Packer and Ansible, the same base image and the same content, and prints
# how long the provisioning itself took (not the boot) and the ratio.
#
#   benches/provision-vs-ansible.sh
#
# The content: 30 files, 20 packages that are in the guest's apt cache already, 10 systemd units, 10 sysctls, 5 downloads
# from a web server on this host. Both guests are emulated by QEMU (no KVM) with two CPUs (QEMU 8.0 or later), and both log in as root with a key;
# Ansible has pipelining and persistent connections, and no proxy of Packer's in between.
#
# GOLDSMITH is the program (default: target/release/goldsmith of this checkout), WORK a folder with 10 GiB of space (default: a
# temporary one), ONLY a choice of the two: goldsmith packer, BASE an image that an earlier run made (WORK/out/base.qcow2), RUNS how often both are run, in turn (default: 1; the
# median counts).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
goldsmith=${GOLDSMITH:-$here/target/release/goldsmith}
runs=${RUNS:-1}
only=${ONLY:-goldsmith packer}
packages="tree bc dc zip unzip pv lsof psmisc time patch figlet sl ncdu dos2unix hexedit ed pwgen whois netcat-openbsd jq"

for program in packer ansible-playbook qemu-system-x86_64 qemu-img ssh-keygen python3; do
    command -v "$program" > /dev/null || {
        echo "provision-vs-ansible.sh: $program is missing: apt-get install packer ansible-core qemu-system-x86 qemu-utils openssh-client python3" >&2
        exit 1
    }
done
[ -x "$goldsmith" ] || { echo "provision-vs-ansible.sh: no $goldsmith: cargo build --release, or set GOLDSMITH" >&2; exit 1; }

server=
if [ -n "${WORK:-}" ]; then
    work=$WORK
    mkdir -p "$work"
    trap '[ -z "$server" ] || kill "$server"' EXIT
else
    work=$(mktemp -d)
    trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
fi
cd "$work"
export GOLDSMITH_STATE_DIR=$work/state GOLDSMITH_CACHE_DIR=$work/cache

quoted() { printf '"%s", ' "$@" | sed 's/, $//'; }

# --- The base: Debian with what Ansible needs in a guest, the packages in apt's cache, and a key for root ----------------
[ -f key ] || ssh-keygen -q -t ed25519 -N '' -C bench -f key
base=${BASE:-$work/out/base.qcow2}
if [ ! -f "$base" ]; then
    cat > base.toml << END
name = "base"
[source.bootstrap]
suite = "bookworm"
kernel = "linux-image-cloud-amd64"
cloud-init = false
packages = ["python3", "python3-apt", "curl"]
[machine]
accelerator = "tcg"
disk = "4GiB"
memory = "1GiB"
[[provision]]
name = "get the packages"
retries = 3
shell = "apt-get update -q && apt-get install -q -y --download-only $packages"
[[provision]]
file = { dest = "/root/.ssh/authorized_keys2", content = "$(cat key.pub)\n", mode = "0600" }
[[provision]]
file = { dest = "/etc/systemd/system/host-keys.service", content = "[Unit]\nBefore=ssh.service\n[Service]\nType=oneshot\nExecStart=/usr/bin/ssh-keygen -A\n[Install]\nWantedBy=multi-user.target\n" }
[[provision]]
service = { name = "host-keys", enabled = true }
[seal]
sysprep = false
[[output]]
format = "qcow2"
[verify]
boot = false
END
    "$goldsmith" build base.toml
fi

# --- The content ---------------------------------------------------------------------------------------------------------
mkdir -p files units downloads
for n in $(seq -w 1 30); do
    { echo "# file $n"; seq -f "setting-%g = value of $n" 1 40; } > "files/file-$n.conf"
done
for n in $(seq -w 1 10); do
    printf '[Unit]\nDescription=Unit %s\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' "$n" > "units/bench-$n.service"
done
for n in 1 2 3 4 5; do head -c 200000 /dev/urandom > "downloads/download-$n"; done
sysctls="net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=2 net.core.somaxconn=2048 net.ipv4.tcp_syncookies=1 vm.swappiness=10
    vm.max_map_count=262144 kernel.panic=10 fs.file-max=500000 fs.inotify.max_user_watches=100000 net.ipv4.tcp_fin_timeout=30"

python3 - downloads > server.log 2>&1 << 'END' &
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
END
server=$!
rm -f port
until [ -s port ]; do sleep 0.1; done
url=http://10.0.2.2:$(cat port)

# --- Goldsmith -----------------------------------------------------------------------------------------------------------
{
    cat << END
name = "bench"
[source.disk]
path = "$base"
[machine]
accelerator = "tcg"
disk = "4GiB"
memory = "1GiB"
[guest]
seed = "credentials"
END
    for n in $(seq -w 1 30); do
        printf '[[provision]]\nfile = { dest = "/etc/bench/file-%s.conf", source = "files/file-%s.conf" }\n' "$n" "$n"
    done
    # Like Ansible's, this takes what is in the cache.
    printf '[[provision]]\nshell = "DEBIAN_FRONTEND=noninteractive apt-get install -q -y %s"\n' "$packages"
    for n in $(seq -w 1 10); do
        printf '[[provision]]\nfile = { dest = "/etc/systemd/system/bench-%s.service", source = "units/bench-%s.service" }\n' "$n" "$n"
    done
    for n in $(seq -w 1 10); do
        printf '[[provision]]\nservice = { name = "bench-%s", enabled = true, state = "started" }\n' "$n"
    done
    for one in $sysctls; do
        name=${one%%=*}
        printf '[[provision]]\nname = "%s"\nshell = "echo %s >/etc/sysctl.d/60-%s.conf; sysctl -q --load=/etc/sysctl.d/60-%s.conf"\n' "$one" "$one" "$name" "$name"
    done
    for n in 1 2 3 4 5; do
        printf '[[provision]]\nname = "download %s"\nshell = "mkdir -p /opt/bench; curl -fsS -o /opt/bench/download-%s %s/download-%s"\n' "$n" "$n" "$url" "$n"
    done
    printf '[seal]\nsysprep = false\ntrim = false\n[[output]]\nformat = "qcow2"\n[verify]\nboot = false\n'
} > bench.toml

run_goldsmith() {
    rm -rf out-goldsmith
    "$goldsmith" --json build --out out-goldsmith bench.toml > goldsmith.json 2> goldsmith.log || {
        cat goldsmith.log >&2
        return 1
    }
    python3 -c '
import json
for line in open("goldsmith.json"):
    event = json.loads(line)
    if event["event"] == "stage-finished" and event["stage"] == "provision":
        print(event["seconds"])
'
}

# --- Packer and Ansible --------------------------------------------------------------------------------------------------
cat > playbook.yml << END
- hosts: all
  gather_facts: false
  tasks:
    - file: { path: /etc/bench, state: directory }
    - copy: { src: "$work/files/{{ item }}", dest: "/etc/bench/{{ item }}", mode: "0644" }
      loop: [$(cd files; quoted *)]
    - apt: { name: [$(quoted $packages)] }
    - copy: { src: "$work/units/{{ item }}", dest: "/etc/systemd/system/{{ item }}", mode: "0644" }
      loop: [$(cd units; quoted *)]
    - systemd: { name: "{{ item }}", enabled: true, state: started, daemon_reload: true }
      loop: [$(cd units; quoted *)]
    - copy: { content: "{{ item }}\n", dest: "/etc/sysctl.d/60-{{ item.split('=')[0] }}.conf" }
      loop: [$(quoted $sysctls)]
    - command: sysctl --system
    - file: { path: /opt/bench, state: directory }
    - get_url: { url: "$url/{{ item }}", dest: "/opt/bench/{{ item }}" }
      loop: [$(cd downloads; quoted *)]
END
cat > packer.json << END
{
  "builders": [{
    "type": "qemu", "disk_image": true, "skip_compaction": true,
    "iso_url": "$base", "iso_checksum": "none", "format": "qcow2", "disk_size": "4096M",
    "accelerator": "none", "headless": true, "memory": 1024, "cpus": 2, "net_device": "virtio-net", "disk_interface": "virtio",
    "qemuargs": [["-cpu", "max"], ["-machine", "type=q35,accel=tcg"]],
    "ssh_username": "root", "ssh_private_key_file": "$work/key", "ssh_timeout": "20m",
    "shutdown_command": "systemctl poweroff", "output_directory": "$work/out-packer"
  }],
  "provisioners": [{
    "type": "ansible", "playbook_file": "$work/playbook.yml", "user": "root", "use_proxy": false,
    "ansible_env_vars": [
      "ANSIBLE_PIPELINING=True", "ANSIBLE_HOST_KEY_CHECKING=False", "ANSIBLE_NOCOLOR=True",
      "ANSIBLE_SSH_ARGS=-o ControlMaster=auto -o ControlPersist=300s -o ControlPath=$work/%C -o IdentitiesOnly=yes"
    ],
    "extra_arguments": ["--extra-vars", "ansible_python_interpreter=/usr/bin/python3"]
  }]
}
END

run_packer() {
    rm -rf out-packer
    PACKER_CACHE_DIR=$work/packer-cache CHECKPOINT_DISABLE=1 packer build -color=false -timestamp-ui packer.json > packer.log 2>&1 || {
        cat packer.log >&2
        return 1
    }
    python3 -c '
import datetime, re
start = end = None
for line in open("packer.log"):
    match = re.match(r"(\S+): (.*)", line)
    if not match:
        continue
    when, text = match.groups()
    if "Provisioning with Ansible" in text:
        start = when
    if "Gracefully halting" in text or "Halting the virtual machine" in text:
        end = when
at = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
print((at(end) - at(start)).total_seconds())
'
}

median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

ours=() theirs=()
for _ in $(seq "$runs"); do
    case $only in *goldsmith*) ours+=("$(run_goldsmith)"); echo "goldsmith ${ours[-1]} s" ;; esac
    case $only in *packer*) theirs+=("$(run_packer)"); echo "packer and ansible ${theirs[-1]} s" ;; esac
done
[ "${#ours[@]}" -gt 0 ] && [ "${#theirs[@]}" -gt 0 ] || exit 0
a=$(median "${ours[@]}")
b=$(median "${theirs[@]}")
echo "median: goldsmith $a s, packer and ansible $b s: $(python3 -c "print(f'1/{$b / $a:.1f}')")"
