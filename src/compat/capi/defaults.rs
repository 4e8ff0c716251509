//! What image-builder's own var files say, of what has a meaning here. The user's variables win over it.
use super::target::{Group, System, Target, Variant};

type Pair = (&'static str, &'static str);

/// For all targets.
const COMMON: &[Pair] = &[
    ("kubernetes_semver", "v1.36.1"),
    ("kubernetes_typed_version", "kube-{{user `kubernetes_semver`}}"),
    ("kubernetes_source_type", "pkg"),
    ("kubernetes_cni_semver", "v1.2.0"),
    ("containerd_version", "2.3.2"),
    ("containerd_wasm_shims_version", "v0.11.1"),
    (
        "containerd_wasm_shims_url",
        "https://github.com/deislabs/containerd-wasm-shims/releases/download/{{ user `containerd_wasm_shims_version` }}/containerd-wasm-shims-<RTVERSION>-<SHIM>-linux-x86_64.tar.gz",
    ),
    ("containerd_wasm_shims_runtime_versions", r#"{"lunatic":"v1","slight":"v1","spin":"v2","wws":"v1"}"#),
    (
        "containerd_wasm_shims_sha256",
        r#"{"lunatic":"7054bc882db755ce5f3ded46d114bfd4e0a318e437fa18a2601295d20b616b32","slight":"a6ea87d965037933a7d9edb5e20cfc175265c8e1ca92a16535f1f3c3f376f5b0","spin":"dcffedb8e4d2f585a851b3de489fa1e8a0054ec0ad72cf111c623623919245d0","wws":"e917f90692d798d80873aa0f37990c7d652f2846129d64fecbfd41ffa77799b8"}"#,
    ),
    ("build_timestamp", "{{timestamp}}"),
    ("build_version", "{{user `build_name`}}-kube-{{user `kubernetes_semver`}}"),
    ("ib_version", "{{env `IB_VERSION`}}"),
    ("distro_arch", "amd64"),
];

const QEMU: &[Pair] = &[
    ("artifact_name", "{{user `build_name`}}-kube-{{user `kubernetes_semver`}}"),
    ("vm_name", "{{user `build_name`}}-kube-{{user `kubernetes_semver`}}"),
    ("output_directory", "./output/{{user `build_name`}}-kube-{{user `kubernetes_semver`}}"),
    ("cpus", "1"),
    ("memory", "2048"),
    ("disk_size", "20480"),
];

const RAW: &[Pair] = &[("cpus", "1"), ("memory", "2048"), ("disk_size", "6144")];

const OVA: &[Pair] = &[
    ("output_dir", "./output/{{user `build_version`}}"),
    ("cpu", "4"),
    ("cpu_cores", "1"),
    ("memory", "8192"),
    ("disk_size", "20480"),
    ("disk_controller_type", "pvscsi"),
    ("disk_thin_provisioned", "true"),
    ("network_card", "vmxnet3"),
    ("cdrom_type", "ide"),
    ("vmx_version", "15"),
    ("firmware", "bios"),
    ("ip_wait_timeout", "30m"),
    ("ip_settle_timeout", "5s"),
    ("convert_to_template", "false"),
    ("create_snapshot", "true"),
    ("linked_clone", "true"),
    ("destroy", "false"),
];

const NUTANIX: &[Pair] = &[
    ("cpus", "1"),
    ("memory", "2048"),
    ("disk_size_gb", "10"),
    ("image_name", "{{user `build_name`}}-kube-{{user `kubernetes_semver`}}"),
    ("image_delete", "false"),
    ("image_export", "false"),
    ("force_deregister", "true"),
    ("nutanix_cluster_name", "{{env `NUTANIX_CLUSTER_NAME`}}"),
    ("nutanix_endpoint", "{{env `NUTANIX_ENDPOINT`}}"),
    ("nutanix_insecure", "{{env `NUTANIX_INSECURE`}}"),
    ("nutanix_port", "{{env `NUTANIX_PORT`}}"),
    ("nutanix_subnet_name", "{{env `NUTANIX_SUBNET_NAME`}}"),
    ("nutanix_username", "{{env `NUTANIX_USERNAME`}}"),
];

const AMI: &[Pair] = &[
    ("image_name", "capa-ami-{{user `build_name`}}-{{user `kubernetes_semver`}}-{{user `build_timestamp`}}"),
    ("ami_description", "Cluster API base image designed for {{user `kubernetes_semver`}}"),
    ("ami_groups", "all"),
    ("snapshot_groups", "all"),
    (
        "ami_regions",
        "ap-south-1,eu-west-3,eu-west-2,eu-west-1,ap-northeast-2,ap-northeast-1,sa-east-1,ca-central-1,ap-southeast-1,ap-southeast-2,eu-central-1,us-east-1,us-east-2,us-west-1,us-west-2",
    ),
    ("aws_region", "us-east-1"),
    ("builder_instance_type", "t3.small"),
    ("volume_size", "8"),
    ("volume_type", "gp3"),
    ("iops", "3000"),
    ("throughput", "125"),
    ("manifest_output", "manifest.json"),
];

const ARM: &[Pair] = &[("arch", "arm64"), ("builder_instance_type", "t4g.small"), ("distro_arch", "arm64")];

/// Of several for one name, the last counts.
pub(super) fn of(target: &Target, eks_anywhere: bool) -> Vec<Pair> {
    let group = target.group();
    let mut pairs = COMMON.to_vec();
    pairs.extend_from_slice(match group {
        Group::Qemu | Group::Kubevirt => QEMU,
        Group::Raw => RAW,
        Group::OvaLocal | Group::OvaVsphere | Group::OvaVsphereClone => OVA,
        Group::Nutanix => NUTANIX,
        Group::Ami => AMI,
    });
    pairs.extend_from_slice(match target.system().el() {
        8 => &[("redhat_epel_rpm", "https://dl.fedoraproject.org/pub/epel/epel-release-latest-8.noarch.rpm")],
        9 => &[("redhat_epel_rpm", "https://dl.fedoraproject.org/pub/epel/epel-release-latest-9.noarch.rpm")],
        10 => {
            &[("redhat_epel_rpm", "https://dl.fedoraproject.org/pub/epel/epel-release-latest-10.noarch.rpm")]
        }
        _ => &[],
    });
    pairs.extend_from_slice(system(target.system(), group));
    if target.variant() == Variant::CloudImage {
        pairs.extend_from_slice(cloud_image(target.system()));
    }
    // What EKS Anywhere builds is called by its own rules, so only upstream's names have `-efi`.
    if target.variant() == Variant::Efi {
        pairs.push(("firmware", "efi"));
        pairs.extend_from_slice(match target.system() {
            System::Ubuntu("22.04") => &[("build_name", "ubuntu-2204-efi")],
            System::Ubuntu("24.04") => &[("build_name", "ubuntu-2404-efi")],
            System::Ubuntu(_) => &[("build_name", "ubuntu-2604-efi")],
            _ => &[],
        });
    }
    if target.is_arm() {
        pairs.extend_from_slice(ARM);
        pairs.extend_from_slice(match target.system() {
            System::Ubuntu("22.04") => &[
                ("build_name", "ubuntu-22.04-arm64"),
                ("ami_filter_name", "ubuntu/images/*ubuntu-jammy-22.04-arm64-server-*"),
                ("ubuntu_repo", "http://ports.ubuntu.com/ubuntu-ports"),
                ("ubuntu_security_repo", "http://ports.ubuntu.com/ubuntu-ports"),
            ],
            System::Ubuntu(_) => &[
                ("build_name", "ubuntu-24.04-arm64"),
                ("ami_filter_name", "ubuntu/images/*ubuntu-noble-24.04-arm64-server-*"),
                ("ubuntu_repo", "http://ports.ubuntu.com/ubuntu-ports"),
                ("ubuntu_security_repo", "http://ports.ubuntu.com/ubuntu-ports"),
            ],
            System::Amazon => &[("build_name", "amazon-2023-arm64")],
            System::Flatcar => &[("build_name", "flatcar-{{env `FLATCAR_CHANNEL`}}-arm64")],
            _ => &[],
        });
    }
    if eks_anywhere {
        pairs.push(("destroy", "true"));
        // Its target without `-efi` boots by BIOS, where upstream's is by EFI.
        if group.is_ova() && target.variant() == Variant::Usual && matches!(target.system(), System::Rhel(_))
        {
            pairs.push(("firmware", "bios"));
        }
        pairs.extend_from_slice(match group {
            Group::Nutanix => &[("disk_size_gb", "{{env `IMAGE_SIZE_GB`}}")],
            Group::Raw => &[("disk_size", "6656")],
            Group::Ami => &[
                ("image_name", "capas-ami-{{user `build_name`}}-{{user `kubernetes_semver` | clean_resource_name}}-{{user `build_timestamp`}}"),
                ("http_tokens", "required"),
                ("http_put_response_hop_limit", "2"),
            ],
            _ => &[],
        });
    }
    pairs
}

fn system(system: &System, group: Group) -> &'static [Pair] {
    let (ova, ami, nutanix) = (group.is_ova(), group == Group::Ami, group == Group::Nutanix);
    match system {
        System::Ubuntu("22.04") if ami => &[
            ("build_name", "ubuntu-22.04"),
            ("ami_filter_name", "ubuntu/images/*ubuntu-jammy-22.04-amd64-server-*"),
            ("ami_filter_owners", "099720109477"),
            ("root_device_name", "/dev/sda1"),
            ("arch", "amd64"),
            ("distribution", "Ubuntu"),
            ("distribution_release", "jammy"),
            ("distribution_version", "22.04"),
        ],
        System::Ubuntu("24.04") if ami => &[
            ("build_name", "ubuntu-24.04"),
            ("ami_filter_name", "ubuntu/images/*ubuntu-noble-24.04-amd64-server-*"),
            ("ami_filter_owners", "099720109477"),
            ("root_device_name", "/dev/sda1"),
            ("arch", "amd64"),
            ("distribution", "Ubuntu"),
            ("distribution_release", "noble"),
            ("distribution_version", "24.04"),
        ],
        System::Ubuntu(_) if ami => &[
            ("build_name", "ubuntu-26.04"),
            ("ami_filter_name", "ubuntu/images/*ubuntu-resolute-26.04-amd64-server-*"),
            ("ami_filter_owners", "099720109477"),
            ("root_device_name", "/dev/sda1"),
            ("arch", "amd64"),
            ("distribution", "Ubuntu"),
            ("distribution_release", "resolute"),
            ("distribution_version", "26.04"),
        ],
        System::Ubuntu("22.04") => &[
            ("build_name", "ubuntu-2204"),
            ("distro_name", "ubuntu"),
            ("distro_version", "22.04"),
            ("os_display_name", "Ubuntu 22.04"),
            ("vsphere_guest_os_type", "ubuntu64Guest"),
            ("iso_url", "https://releases.ubuntu.com/22.04.5/ubuntu-22.04.5-live-server-amd64.iso"),
            ("iso_checksum", "9bc6028870aef3f74f4e16b900008179e78b130e6b0b9a140635434a46aa98b0"),
            ("iso_checksum_type", "sha256"),
            ("image_url", "https://cloud-images.ubuntu.com/jammy/current/jammy-server-cloudimg-amd64.img"),
        ],
        System::Ubuntu("24.04") => &[
            ("build_name", "ubuntu-2404"),
            ("distro_name", "ubuntu"),
            ("distro_version", "24.04"),
            ("os_display_name", "Ubuntu 24.04"),
            ("vsphere_guest_os_type", "ubuntu64Guest"),
            ("iso_url", "https://releases.ubuntu.com/noble/ubuntu-24.04.4-live-server-amd64.iso"),
            ("iso_checksum", "e907d92eeec9df64163a7e454cbc8d7755e8ddc7ed42f99dbc80c40f1a138433"),
            ("iso_checksum_type", "sha256"),
            ("image_url", "https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img"),
        ],
        System::Ubuntu(_) => &[
            ("build_name", "ubuntu-2604"),
            ("distro_name", "ubuntu"),
            ("distro_version", "26.04"),
            ("os_display_name", "Ubuntu 26.04"),
            ("vsphere_guest_os_type", "ubuntu64Guest"),
            // Its installer unpacks more into memory than those before it.
            ("memory", "4096"),
            ("iso_url", "https://releases.ubuntu.com/resolute/ubuntu-26.04-live-server-amd64.iso"),
            ("iso_checksum", "dec49008a71f6098d0bcfc822021f4d042d5f2db279e4d75bdd981304f1ca5d9"),
            ("iso_checksum_type", "sha256"),
            (
                "image_url",
                "https://cloud-images.ubuntu.com/resolute/current/resolute-server-cloudimg-amd64.img",
            ),
        ],
        System::Rhel(8) => &[
            ("build_name", "rhel-8"),
            ("distro_name", "rhel"),
            ("distro_version", "8"),
            ("os_display_name", "RHEL 8"),
            ("vsphere_guest_os_type", "rhel8_64Guest"),
        ],
        System::Rhel(_) if ova => &[
            ("build_name", "rhel-9"),
            ("distro_name", "rhel"),
            ("distro_version", "9"),
            ("os_display_name", "RHEL 9"),
            ("vsphere_guest_os_type", "rhel9_64Guest"),
            ("vmx_version", "18"),
            ("firmware", "efi"),
            ("iso_url", "file:///rhel-9.4-x86_64-dvd.iso"),
            ("iso_checksum", "398561d7b66f1a4bf23664f4aa8f2cfbb3641aa2f01a320068e86bd1fc0e9076"),
            ("iso_checksum_type", "sha256"),
        ],
        System::Rhel(_) => &[
            ("build_name", "rhel-9"),
            ("distro_name", "rhel"),
            ("distro_version", "9"),
            ("os_display_name", "RHEL 9"),
            ("iso_url", "rhel-9.3-x86_64-dvd.iso"),
            ("iso_checksum", "5c802147aa58429b21e223ee60e347e850d6b0d8680930c4ffb27340ffb687a8"),
            ("iso_checksum_type", "sha256"),
        ],
        System::Rocky(8) => &[
            ("build_name", "rockylinux-8"),
            ("distro_name", "rockylinux"),
            ("distro_version", "8"),
            ("os_display_name", "RockyLinux 8"),
            ("vsphere_guest_os_type", "rhel8_64Guest"),
        ],
        System::Rocky(_) if ova => &[
            ("build_name", "rockylinux-9"),
            ("distro_name", "rockylinux"),
            ("distro_version", "9"),
            ("os_display_name", "RockyLinux 9"),
            ("vsphere_guest_os_type", "rockylinux_64Guest"),
            ("vmx_version", "20"),
            ("firmware", "efi"),
            ("iso_url", "https://dl.rockylinux.org/vault/rocky/9.6/isos/x86_64/Rocky-9.6-x86_64-minimal.iso"),
            ("iso_checksum", "aed9449cf79eb2d1c365f4f2561f923a80451b3e8fdbf595889b4cf0ac6c58b8"),
            ("iso_checksum_type", "sha256"),
        ],
        System::Rocky(_) if nutanix => &[
            ("build_name", "rockylinux-9"),
            ("distro_name", "rockylinux"),
            ("distro_version", "9"),
            ("boot_type", "uefi"),
            (
                "image_url",
                "https://dl.rockylinux.org/pub/rocky/9/images/x86_64/Rocky-9-GenericCloud-Base.latest.x86_64.qcow2",
            ),
        ],
        System::Rocky(_) => &[
            ("build_name", "rockylinux-9"),
            ("distro_name", "rockylinux"),
            ("distro_version", "9"),
            ("os_display_name", "RockyLinux 9"),
            ("iso_url", "https://dl.rockylinux.org/vault/rocky/9.4/isos/x86_64/Rocky-9.4-x86_64-minimal.iso"),
            ("iso_checksum", "ee3ac97fdffab58652421941599902012179c37535aece76824673105169c4a2"),
            ("iso_checksum_type", "sha256"),
        ],
        System::Alma(_) => &[
            ("build_name", "almalinux-9"),
            ("distro_name", "almalinux"),
            ("distro_version", "9"),
            ("os_display_name", "AlmaLinux 9"),
            ("vsphere_guest_os_type", "rhel9_64Guest"),
            ("vmx_version", "18"),
            ("iso_url", "https://repo.almalinux.org/vault/9.4/isos/x86_64/AlmaLinux-9.4-x86_64-dvd.iso"),
            ("iso_checksum", "34c4285d524605da6dbd76b0b475338f6ea0a28bb88929bf14b04db68f1e1620"),
            ("iso_checksum_type", "sha256"),
        ],
        System::Centos(9) => &[
            ("build_name", "centos-9"),
            ("distro_name", "centos"),
            ("distro_version", "9"),
            ("os_display_name", "CentOS 9 Stream"),
            (
                "iso_url",
                "https://mirror.stream.centos.org/9-stream/BaseOS/x86_64/iso/CentOS-Stream-9-20260706.0-x86_64-dvd1.iso",
            ),
            ("iso_checksum", "280f78ca32547eec2f3150090c21526744851d99af006344a07629f88500d9f6"),
            ("iso_checksum_type", "sha256"),
        ],
        System::Centos(_) => &[
            ("build_name", "centos-10"),
            ("distro_name", "centos"),
            ("distro_version", "10"),
            ("os_display_name", "CentOS 10 Stream"),
            (
                "iso_url",
                "https://mirror.stream.centos.org/10-stream/BaseOS/x86_64/iso/CentOS-Stream-10-20260630.0-x86_64-dvd1.iso",
            ),
            ("iso_checksum", "8548643552a939c189b88cc8bf7100846ffad240ed11b438561f118b2bed49d3"),
            ("iso_checksum_type", "sha256"),
        ],
        System::Amazon => &[
            ("build_name", "amazon-2023"),
            ("ami_filter_name", "al2023-ami-minimal-2023.*-kernel-6.1*"),
            ("ami_filter_owners", "amazon"),
            ("root_device_name", "/dev/xvda"),
            ("arch", "amd64"),
            ("distribution", "Amazon Linux"),
            ("distribution_release", "Amazon Linux 2023"),
            ("distribution_version", "2023"),
        ],
        System::Flatcar if ami => &[
            ("build_name", "flatcar-{{env `FLATCAR_CHANNEL`}}"),
            ("ami_filter_name", "Flatcar*{{env `FLATCAR_CHANNEL`}}*{{env `FLATCAR_VERSION`}}*"),
            ("ami_filter_owners", "075585003325"),
            ("root_device_name", "/dev/xvda"),
            ("volume_size", "15"),
            ("arch", "amd64"),
            ("distribution", "flatcar"),
            ("kubernetes_source_type", "http"),
        ],
        System::Flatcar => &[
            ("build_name", "flatcar-{{env `FLATCAR_CHANNEL`}}-{{env `FLATCAR_VERSION`}}"),
            ("distro_name", "flatcar"),
            (
                "os_display_name",
                "Flatcar Container Linux ({{env `FLATCAR_CHANNEL`}} channel release {{env `FLATCAR_VERSION`}})",
            ),
            ("vsphere_guest_os_type", "other4xLinux64Guest"),
            ("kubernetes_source_type", "http"),
        ],
    }
}

fn cloud_image(system: &System) -> &'static [Pair] {
    match system {
        System::Ubuntu("22.04") => &[
            ("iso_url", "https://cloud-images.ubuntu.com/jammy/current/jammy-server-cloudimg-amd64.img"),
            ("iso_checksum", "https://cloud-images.ubuntu.com/jammy/current/SHA256SUMS"),
            ("iso_checksum_type", "file"),
        ],
        System::Ubuntu("24.04") => &[
            ("iso_url", "https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img"),
            ("iso_checksum", "https://cloud-images.ubuntu.com/noble/current/SHA256SUMS"),
            ("iso_checksum_type", "file"),
        ],
        System::Rocky(_) => &[
            (
                "iso_url",
                "https://dl.rockylinux.org/pub/rocky/9/images/x86_64/Rocky-9-GenericCloud-Base.latest.x86_64.qcow2",
            ),
            ("iso_checksum", "https://dl.rockylinux.org/pub/rocky/9/images/x86_64/CHECKSUM"),
            ("iso_checksum_type", "file"),
        ],
        _ => &[],
    }
}
