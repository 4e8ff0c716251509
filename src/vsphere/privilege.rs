//! What a user must be allowed, and where; and whether that is so.
use super::{Moref, Node, VCenter, VsphereError};
use serde::Serialize;

/// The kind of object that a privilege must be held on. Roles are usually given on a folder or a datacenter, from where they are inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// The server itself.
    Server,
    /// The folder that machines are made in.
    Folder,
    /// The resource pool.
    Pool,
    /// The datastore.
    Datastore,
    /// The network.
    Network,
}

/// What a privilege is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum For {
    /// Any build.
    Builds,
    /// Content libraries.
    Libraries,
    /// Publishing an OVA, which is an import.
    Imports,
    /// Folders that are not there yet.
    Folders,
    /// Tags on results.
    Tags,
    /// Custom attributes on results.
    Attributes,
    /// Builds that start from a machine or a template.
    Copies,
}

/// One privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privilege {
    /// As the interface calls it: `VirtualMachine.Config.AddNewDisk`.
    pub id: &'static str,
    /// As vCenter's own pages call it: group and privilege.
    pub label: &'static str,
    /// Where it must be held.
    pub on: On,
    /// What for.
    pub purpose: For,
}

const fn privilege(id: &'static str, label: &'static str, on: On, purpose: For) -> Privilege {
    Privilege { id, label, on, purpose }
}

/// All that this program can need. Those for builds and libraries are the ones that EKS Anywhere's documentation lists for its builds; the
/// labels are of vCenter 8
/// ([privileges](https://techdocs.broadcom.com/us/en/vmware-cis/vsphere/vsphere/8-0/vsphere-security-8-0/defined-privileges.html)).
pub const PRIVILEGES: &[Privilege] = &[
    privilege(
        "ContentLibrary.AddLibraryItem",
        "Content Library > Add library item",
        On::Server,
        For::Libraries,
    ),
    privilege(
        "ContentLibrary.DeleteLibraryItem",
        "Content Library > Delete library item",
        On::Server,
        For::Libraries,
    ),
    privilege(
        "ContentLibrary.DownloadSession",
        "Content Library > Download files",
        On::Server,
        For::Libraries,
    ),
    privilege(
        "ContentLibrary.EvictLibraryItem",
        "Content Library > Evict library item",
        On::Server,
        For::Libraries,
    ),
    privilege(
        "ContentLibrary.UpdateLibraryItem",
        "Content Library > Update library item",
        On::Server,
        For::Libraries,
    ),
    privilege("ContentLibrary.UpdateSession", "Content Library > Update files", On::Server, For::Libraries),
    privilege("Datastore.AllocateSpace", "Datastore > Allocate space", On::Datastore, For::Builds),
    privilege("Datastore.Browse", "Datastore > Browse datastore", On::Datastore, For::Builds),
    privilege(
        "Datastore.FileManagement",
        "Datastore > Low level file operations",
        On::Datastore,
        For::Builds,
    ),
    privilege("Network.Assign", "Network > Assign network", On::Network, For::Builds),
    privilege(
        "Resource.AssignVMToPool",
        "Resource > Assign virtual machine to resource pool",
        On::Pool,
        For::Builds,
    ),
    privilege("System.Anonymous", "every role has it", On::Folder, For::Builds),
    privilege("System.Read", "every role has it", On::Folder, For::Builds),
    privilege("System.View", "every role has it", On::Folder, For::Builds),
    privilege("VApp.Export", "vApp > Export", On::Folder, For::Builds),
    privilege("VApp.Import", "vApp > Import", On::Pool, For::Imports),
    privilege("Folder.Create", "Folder > Create folder", On::Folder, For::Folders),
    privilege("Folder.Delete", "Folder > Delete folder", On::Folder, For::Folders),
    privilege(
        "VirtualMachine.Config.AddNewDisk",
        "Virtual machine > Change Configuration > Add new disk",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Config.AddRemoveDevice",
        "Virtual machine > Change Configuration > Add or remove device",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Config.AdvancedConfig",
        "Virtual machine > Change Configuration > Advanced configuration",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Config.Annotation",
        "Virtual machine > Change Configuration > Set annotation",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Config.CPUCount",
        "Virtual machine > Change Configuration > Change CPU count",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Config.Memory",
        "Virtual machine > Change Configuration > Change Memory",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Config.Resource",
        "Virtual machine > Change Configuration > Change resource",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Config.Settings",
        "Virtual machine > Change Configuration > Change Settings",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Interact.DeviceConnection",
        "Virtual machine > Interaction > Connect devices",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Interact.PowerOff",
        "Virtual machine > Interaction > Power off",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Interact.PowerOn",
        "Virtual machine > Interaction > Power on",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Interact.PutUsbScanCodes",
        "Virtual machine > Interaction > Inject USB HID scan codes",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Interact.SetCDMedia",
        "Virtual machine > Interaction > Configure CD media",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Interact.SetFloppyMedia",
        "Virtual machine > Interaction > Configure floppy media",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Inventory.Create",
        "Virtual machine > Edit Inventory > Create new",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Inventory.CreateFromExisting",
        "Virtual machine > Edit Inventory > Create from existing",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Inventory.Delete",
        "Virtual machine > Edit Inventory > Remove",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Provisioning.CreateTemplateFromVM",
        "Virtual machine > Provisioning > Create template from virtual machine",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Provisioning.MarkAsTemplate",
        "Virtual machine > Provisioning > Mark as template",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.Provisioning.MarkAsVM",
        "Virtual machine > Provisioning > Mark as virtual machine",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "VirtualMachine.State.CreateSnapshot",
        "Virtual machine > Snapshot management > Create snapshot",
        On::Folder,
        For::Builds,
    ),
    privilege(
        "InventoryService.Tagging.AttachTag",
        "vSphere Tagging > Assign or Unassign vSphere Tag",
        On::Server,
        For::Tags,
    ),
    privilege(
        "InventoryService.Tagging.CreateCategory",
        "vSphere Tagging > Create vSphere Tag Category",
        On::Server,
        For::Tags,
    ),
    privilege(
        "InventoryService.Tagging.CreateTag",
        "vSphere Tagging > Create vSphere Tag",
        On::Server,
        For::Tags,
    ),
    privilege("Global.ManageCustomFields", "Global > Manage custom attributes", On::Server, For::Attributes),
    privilege("Global.SetCustomField", "Global > Set custom attribute", On::Folder, For::Attributes),
    privilege(
        "VirtualMachine.Config.DiskExtend",
        "Virtual machine > Change Configuration > Extend virtual disk",
        On::Folder,
        For::Copies,
    ),
    privilege(
        "VirtualMachine.Config.UpgradeVirtualHardware",
        "Virtual machine > Change Configuration > Upgrade virtual machine compatibility",
        On::Folder,
        For::Copies,
    ),
    privilege(
        "VirtualMachine.Provisioning.Clone",
        "Virtual machine > Provisioning > Clone virtual machine",
        On::Folder,
        For::Copies,
    ),
    privilege(
        "VirtualMachine.Provisioning.DeployTemplate",
        "Virtual machine > Provisioning > Deploy template",
        On::Folder,
        For::Copies,
    ),
];

impl VCenter {
    /// Which of these privileges the session's user lacks on an object, in the same order.
    pub async fn lacks<'a>(&self, object: &Moref, ids: &[&'a str]) -> Result<Vec<&'a str>, VsphereError> {
        let attempt = format!("see what `{}` may do with {object}", self.place().user);
        let manager = self.service("authorizationManager")?;
        let session = self.session_key().await?;
        let answer = self
            .call(&attempt, "HasPrivilegeOnEntities", &manager, |call| {
                call.moref("entity", object).leaf("sessionId", session);
                for id in ids {
                    call.leaf("privId", id);
                }
            })
            .await?;
        let granted: Vec<&str> = answer
            .all("returnval")
            .flat_map(|entity| entity.all("privAvailability"))
            .filter(|one| one.at("isGranted").is_some_and(Node::is_true))
            .filter_map(|one| one.text_at("privId"))
            .collect();
        Ok(ids.iter().filter(|id| !granted.contains(*id)).copied().collect())
    }

    /// The key of this session, which is not its cookie.
    async fn session_key(&self) -> Result<String, VsphereError> {
        let manager = self.service("sessionManager")?;
        let properties = self.properties(&manager, &["currentSession"]).await?;
        let key = properties.get("currentSession").and_then(|session| session.text_at("key"));
        Ok(key.unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_privilege_is_there_twice() {
        for (at, one) in PRIVILEGES.iter().enumerate() {
            assert!(PRIVILEGES[at + 1..].iter().all(|other| other.id != one.id), "{}", one.id);
        }
    }

    /// The list of EKS Anywhere has 35; two of goldsmith's own for builds and libraries would be news.
    #[test]
    fn builds_and_libraries_need_what_eks_anywhere_lists_and_one_more() {
        let count =
            PRIVILEGES.iter().filter(|one| matches!(one.purpose, For::Builds | For::Libraries)).count();
        assert_eq!(count, 36);
        assert!(PRIVILEGES.iter().any(|one| one.id == "ContentLibrary.UpdateSession"));
    }
}
