#!/bin/sh
# Makes a folder of artifacts with the layout of an EKS Distro release: real programs out of Debian's packages, and stand-ins, called
# so, for what Debian does not have: kubelet, kubeadm, crictl and etcdadm, and the content of the control plane's images.
#
#   artifacts.sh FOLDER       prints the versions of what it found, as NAME=VERSION
set -eu
out=$1
rm -rf "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
channel=1-20 release=7 arch=amd64

mkdir -p "$work/debs" "$work/root"
(cd "$work/debs" && apt-get download -q containerd runc etcd-server containernetworking-plugins kubernetes-client >/dev/null)
for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
root=$work/root/usr

containerd=$("$root/bin/containerd" --version | awk '{ print $3 }' | sed 's/^v//; s/[~+].*//')
kubernetes=$("$root/bin/kubectl" version --client -o yaml | sed -n 's/^ *gitVersion: *//p')
etcd=v$("$root/bin/etcd" --version | sed -n 's/^etcd Version: //p')
cni=v$("$root/lib/cni/host-device" 2>&1 </dev/null | sed -n 's/.*plugin v\{0,1\}\([0-9.]*\).*/\1/p')
[ "$cni" != v ] || cni=v1.1.1

sums() { (cd "$(dirname "$1")" && sha256sum "$(basename "$1")" >"$(basename "$1").$2"); }
stand_in() { # PATH NAME VERSION-LINES
  mkdir -p "$(dirname "$1")"
  cat >"$1" <<SCRIPT
#!/bin/sh
# A stand-in for $2, which Debian does not have.
case "\$*" in
$3
'completion bash') echo "# completion of the stand-in for $2" ;;
*) exec sleep infinity ;;
esac
SCRIPT
  chmod 0755 "$1"
}

# containerd and runc with full paths, as EKS Anywhere packs them.
mkdir -p "$work/c/usr/local/bin" "$work/c/usr/local/sbin" "$work/c/etc/systemd/system"
cp "$root/bin/containerd" "$root/bin/ctr" "$root/bin/containerd-shim-runc-v2" "$work/c/usr/local/bin/"
cp "$root/sbin/runc" "$work/c/usr/local/sbin/"
sed 's,/usr/bin/containerd,/usr/local/bin/containerd,' "$work/root/lib/systemd/system/containerd.service" \
  >"$work/c/etc/systemd/system/containerd.service"
mkdir -p "$out"
tar -C "$work/c" -czf "$out/containerd-linux-$arch.tar.gz" .
sums "$out/containerd-linux-$arch.tar.gz" sha256sum

stand_in "$work/crictl/crictl" crictl "ps) echo 'CONTAINER IMAGE' ;;"
tar -C "$work/crictl" -czf "$out/cri-tools.tar.gz" ./crictl
sums "$out/cri-tools.tar.gz" sha256
stand_in "$work/etcdadm/etcdadm" etcdadm "'version --short') echo v0.1.5 ;;"
tar -C "$work/etcdadm" -czf "$out/etcdadm.tar.gz" ./etcdadm
sums "$out/etcdadm.tar.gz" sha256

artifacts=$out/kubernetes-$channel/releases/$release/artifacts
bin=$artifacts/kubernetes/$kubernetes/bin/linux/$arch
mkdir -p "$bin" "$artifacts/plugins/$cni" "$artifacts/etcd/$etcd"
stand_in "$bin/kubelet" kubelet "--version) echo 'Kubernetes $kubernetes' ;;"
stand_in "$bin/kubeadm" kubeadm "'version -o short') echo '$kubernetes' ;;"
cp "$root/bin/kubectl" "$bin/kubectl"
for program in kubelet kubeadm kubectl; do sums "$bin/$program" sha256; done

tar -C "$root/lib/cni" -czf "$artifacts/plugins/$cni/cni-plugins-linux-$arch-$cni.tar.gz" .
sums "$artifacts/plugins/$cni/cni-plugins-linux-$arch-$cni.tar.gz" sha256
mkdir -p "$work/e/etcd-$etcd-linux-$arch"
cp "$root/bin/etcd" "$work/e/etcd-$etcd-linux-$arch/"
tar -C "$work/e" -czf "$artifacts/etcd/$etcd/etcd-linux-$arch-$etcd.tar.gz" .
sums "$artifacts/etcd/$etcd/etcd-linux-$arch-$etcd.tar.gz" sha256

# Images with one file each; named with the architecture, as those of EKS Distro are.
tag=$kubernetes-eks-$channel-$release
umoci init --layout "$work/oci" >/dev/null
for image in kube-apiserver kube-controller-manager kube-proxy kube-scheduler coredns etcd pause; do
  umoci new --image "$work/oci:$image"
  echo "a stand-in for $image" >"$work/content"
  umoci insert --rootless --image "$work/oci:$image" "$work/content" /content
  umoci config --image "$work/oci:$image" --architecture $arch --os linux
  case $image in
  kube-*) name=public.ecr.aws/eks-distro/kubernetes/$image-$arch:$tag ;;
  *) name=public.ecr.aws/eks-distro/kubernetes/$image:$tag ;;
  esac
  skopeo --insecure-policy copy -q "oci:$work/oci:$image" "docker-archive:$bin/$image.tar:$name"
  sums "$bin/$image.tar" sha256
done
printf 'containerd=%s\nkubernetes=%s\netcd=%s\ncni=%s\ntag=%s\n' "$containerd" "$kubernetes" "$etcd" "$cni" "$tag"
