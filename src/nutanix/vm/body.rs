//! A new machine in the words of both dialects.
use super::{BootType, NewVm};
use crate::nutanix::{Categories, Dialect, Mark, Subnet};
use serde_json::{Map, Value, json};

const MIB: u64 = 1 << 20;

pub(super) fn body(dialect: Dialect, mark: &Mark, new: &NewVm<'_>) -> Value {
    let description = mark.on(new.description);
    match dialect {
        Dialect::V3 => v3(&description, new),
        Dialect::V4 => v4(&description, new),
    }
}

/// Categories as v3 wants them beside an entity.
pub(in crate::nutanix) fn mapping(categories: &Categories) -> Value {
    let mut mapping = Map::new();
    for category in categories {
        let values = mapping.entry(category.key.clone()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(category.value.clone().into());
        }
    }
    mapping.into()
}

fn v3(description: &str, new: &NewVm<'_>) -> Value {
    let mut metadata = json!({ "kind": "vm" });
    if let Some(project) = new.project {
        metadata["project_reference"] = json!({ "kind": "project", "uuid": project.uuid });
    }
    if !new.categories.is_empty() {
        metadata["use_categories_mapping"] = true.into();
        metadata["categories_mapping"] = mapping(new.categories);
    }
    let mut disk = json!({
        "device_properties": { "device_type": "DISK", "disk_address": { "adapter_type": "SCSI", "device_index": 0 } },
        "data_source_reference": { "kind": "image", "uuid": new.image },
    });
    if let Some(bytes) = new.disk_bytes {
        disk["disk_size_mib"] = bytes.div_ceil(MIB).into();
    }
    let nics: Vec<Value> = new
        .subnets
        .iter()
        .map(|subnet| {
            json!({ "is_connected": true, "subnet_reference": { "kind": "subnet", "uuid": subnet.uuid } })
        })
        .collect();
    let boot = match new.boot {
        BootType::Legacy => {
            json!({ "boot_type": "LEGACY", "boot_device_order_list": ["DISK", "CDROM", "NETWORK"] })
        }
        BootType::Uefi => json!({ "boot_type": "UEFI" }),
        BootType::SecureBoot => json!({ "boot_type": "SECURE_BOOT" }),
    };
    let mut resources = json!({
        "num_sockets": new.sockets,
        "num_vcpus_per_socket": new.cores_per_socket,
        "memory_size_mib": new.memory_bytes / MIB,
        "power_state": "OFF",
        "boot_config": boot,
        "disk_list": [disk],
        "nic_list": nics,
    });
    if new.boot == BootType::SecureBoot {
        resources["machine_type"] = "Q35".into();
    }
    if let Some(user_data) = new.user_data {
        resources["guest_customization"] = json!({ "cloud_init": { "user_data": user_data.expose() } });
    }
    json!({
        "metadata": metadata,
        "spec": {
            "name": new.name,
            "description": description,
            "cluster_reference": { "kind": "cluster", "uuid": new.cluster.uuid },
            "resources": resources,
        },
    })
}

fn v4(description: &str, new: &NewVm<'_>) -> Value {
    let kind = |name: &str| format!("vmm.v4.ahv.config.{name}");
    let mut disk = json!({
        "$objectType": kind("VmDisk"),
        "dataSource": {
            "$objectType": kind("DataSource"),
            "reference": { "$objectType": kind("ImageReference"), "imageExtId": new.image },
        },
    });
    if let Some(bytes) = new.disk_bytes {
        disk["diskSizeBytes"] = bytes.into();
    }
    let boot = match new.boot {
        BootType::Legacy => {
            json!({ "$objectType": kind("LegacyBoot"), "bootOrder": ["DISK", "CDROM", "NETWORK"] })
        }
        BootType::Uefi => json!({ "$objectType": kind("UefiBoot") }),
        BootType::SecureBoot => json!({ "$objectType": kind("UefiBoot"), "isSecureBootEnabled": true }),
    };
    let mut vm = json!({
        "$objectType": kind("Vm"),
        "name": new.name,
        "description": description,
        "numSockets": new.sockets,
        "numCoresPerSocket": new.cores_per_socket,
        "memorySizeBytes": new.memory_bytes,
        "cluster": { "$objectType": kind("ClusterReference"), "extId": new.cluster.uuid },
        "bootConfig": boot,
        "disks": [{
            "$objectType": kind("Disk"),
            "diskAddress": { "$objectType": kind("DiskAddress"), "busType": "SCSI", "index": 0 },
            "backingInfo": disk,
        }],
        "nics": nics(new.subnets),
    });
    if new.boot == BootType::SecureBoot {
        vm["machineType"] = "Q35".into();
    }
    if let Some(project) = new.project {
        vm["project"] = json!({ "$objectType": kind("ProjectReference"), "extId": project.uuid });
    }
    if !new.categories.is_empty() {
        let all = new.categories.iter().filter_map(|category| category.uuid.as_deref());
        vm["categories"] =
            all.map(|uuid| json!({ "$objectType": kind("CategoryReference"), "extId": uuid })).collect();
    }
    if let Some(user_data) = new.user_data {
        vm["guestCustomization"] = customization(user_data.expose());
    }
    vm
}

/// Network cards of v4.
pub(in crate::nutanix) fn nics(subnets: &[Subnet]) -> Vec<Value> {
    let kind = |name: &str| format!("vmm.v4.ahv.config.{name}");
    subnets
        .iter()
        .map(|subnet| {
            json!({
                "$objectType": kind("Nic"),
                "backingInfo": { "$objectType": kind("EmulatedNic"), "isConnected": true },
                "networkInfo": {
                    "$objectType": kind("NicNetworkInfo"),
                    "nicType": "NORMAL_NIC",
                    "subnet": { "$objectType": kind("SubnetReference"), "extId": subnet.uuid },
                },
            })
        })
        .collect()
}

/// What cloud-init is told, in v4; in base64.
pub(in crate::nutanix) fn customization(user_data: &str) -> Value {
    let kind = |name: &str| format!("vmm.v4.ahv.config.{name}");
    json!({
        "$objectType": kind("GuestCustomizationParams"),
        "config": {
            "$objectType": kind("CloudInit"),
            "datasourceType": "CONFIG_DRIVE_V2",
            "cloudInitScript": { "$objectType": kind("Userdata"), "value": user_data },
        },
    })
}
