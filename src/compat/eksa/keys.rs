//! The keys of the configuration files, by hypervisor.
use super::Hypervisor;

const VSPHERE: &[&str] = &[
    "cluster",
    "convert_to_template",
    "create_snapshot",
    "datacenter",
    "datastore",
    "folder",
    "insecure_connection",
    "linked_clone",
    "network",
    "resource_pool",
    "template",
    "vcenter_server",
    "username",
    "password",
    "vmx_version",
];
const BAREMETAL: &[&str] = &["disk_size"];
const NUTANIX: &[&str] = &[
    "nutanix_cluster_name",
    "nutanix_cluster_uuid",
    "image_name",
    "image_size_gb",
    "image_url",
    "image_export",
    "nutanix_endpoint",
    "nutanix_insecure",
    "nutanix_port",
    "nutanix_username",
    "nutanix_password",
    "nutanix_subnet_name",
];
const CLOUDSTACK: &[&str] = &["ansible_user_vars"];
const AMI: &[&str] = &[
    "ami_filter_name",
    "ami_filter_owners",
    "ami_regions",
    "aws_region",
    "builder_instance_type",
    "manifest_output",
    "root_device_name",
    "subnet_id",
    "volume_size",
    "volume_type",
];

const ISO: &[&str] = &["iso_url", "iso_checksum", "iso_checksum_type"];
const RHEL: &[&str] = &[
    "rhel_username",
    "rhel_password",
    "rhsm_server_proxy_hostname",
    "rhsm_server_proxy_port",
    "rhsm_server_hostname",
    "rhsm_server_release_version",
    "rhsm_activation_key",
    "rhsm_org_id",
    "redhat_epel_rpm",
    "epel_rpm_gpg_key",
    // Not EKS Anywhere's: the package with a Satellite's authority is compared with it.
    "rhsm_server_ca_sha256",
];
const PROXY: &[&str] = &["http_proxy", "https_proxy", "no_proxy"];
const PACKAGES: &[&str] = &["extra_debs", "extra_repos", "extra_rpms"];
const OVERRIDES: &[&str] = &[
    "firstboot_custom_roles_pre",
    "firstboot_custom_roles_post",
    "node_custom_roles_pre",
    "node_custom_roles_post",
    "disable_public_repos",
    "reenable_public_repos",
];
const AIR_GAPPED: &[&str] = &[
    "eksa_build_tooling_repo_url",
    "image_builder_repo_url",
    "private_artifacts_eksd_fqdn",
    "private_artifacts_eksa_fqdn",
];
const SSH: &[&str] = &["ssh_timeout", "ssh_handshake_attempts"];

/// What a file for this hypervisor may say.
pub(super) fn known(hypervisor: Hypervisor) -> Vec<&'static str> {
    let groups: &[&[&'static str]] = match hypervisor {
        Hypervisor::Vsphere => &[VSPHERE, ISO, RHEL, PROXY, PACKAGES, OVERRIDES, AIR_GAPPED, SSH],
        Hypervisor::Baremetal => &[BAREMETAL, ISO, RHEL, PROXY, PACKAGES, OVERRIDES, AIR_GAPPED, SSH],
        Hypervisor::CloudStack => &[CLOUDSTACK, ISO, RHEL, PROXY, PACKAGES, OVERRIDES, AIR_GAPPED, SSH],
        Hypervisor::Nutanix => &[NUTANIX, RHEL, PROXY, PACKAGES, OVERRIDES, AIR_GAPPED],
        Hypervisor::Ami => &[AMI, PROXY, PACKAGES, OVERRIDES],
    };
    groups.concat()
}

/// Keys whose values nobody may see.
pub(super) fn is_secret(key: &str) -> bool {
    matches!(key, "password" | "nutanix_password" | "rhel_password" | "rhsm_activation_key")
}

/// No variable of Packer's: where the site's servers are.
pub(super) fn is_of_the_site(key: &str) -> bool {
    AIR_GAPPED.contains(&key)
}
