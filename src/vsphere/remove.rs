//! What a build makes in a vCenter, as undo data, and how it is removed.
use super::{
    Moref, Place, Server, VCenter, VsphereError, VsphereErrorKind,
    datastore::remove_file,
    machine::{remove_folder, remove_machine},
    ovf::{LEASE, LEASE_SECONDS},
    rest,
};
use crate::{
    cx::{ResourceRef, Stop},
    value::Secret,
};
use std::{collections::BTreeMap, time::Duration};

/// The word for all of this in journals.
pub const DRIVER: &str = "vsphere";
/// The detail that names the build whose mark a thing must bear to be removed.
pub const BUILD: &str = "build";

/// Kinds of things that a build makes in a vCenter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A machine with its disks, by its path in the inventory; only with the build's mark in its annotation.
    Machine,
    /// A folder for machines, by its path; only when it is empty.
    Folder,
    /// A file of a datastore, as `[datastore] path`; its datacenter's path is the detail `datacenter`. Only with the build's id in its name.
    File,
    /// An item of a content library, as `library/item`; only with the build's mark in its description.
    LibraryItem,
    /// A tag, as `category/tag`; only with the build's mark in its description, and when nothing bears it.
    Tag,
    /// A category of tags; only with the build's mark in its description, and when there is no tag in it.
    Category,
}

impl Kind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Machine, "machine"),
        (Self::Folder, "folder"),
        (Self::File, "file"),
        (Self::LibraryItem, "library-item"),
        (Self::Tag, "tag"),
        (Self::Category, "category"),
    ];

    /// As in [`ResourceRef::kind`].
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("thing", |(_, name)| name)
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// Undo data for the thing `id` that `build` makes; `details` is what else is needed to find it.
pub fn resource(
    vcenter: &VCenter,
    kind: Kind,
    id: impl Into<String>,
    build: &str,
    details: &[(&str, &str)],
) -> ResourceRef {
    let place = vcenter.place();
    // How the server is recognised goes into one word, so that it is read back as it was.
    let server = serde_json::to_string(&place.server).unwrap_or_default();
    let own = [("server", server.as_str()), ("user", place.user.as_str()), (BUILD, build)];
    let details: BTreeMap<String, String> =
        own.iter().chain(details).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ResourceRef { driver: DRIVER.to_owned(), kind: kind.name().to_owned(), id: id.into(), details }
}

/// Removes a thing for good, as the user whom the environment names. Gone already is `Ok`.
pub async fn remove(resource: &ResourceRef, stop: &Stop) -> Result<(), VsphereError> {
    let vcenter = VCenter::connect(&place(resource)?).await?;
    let removed = remove_with(&vcenter, resource, stop).await;
    let _ = vcenter.log_out().await;
    removed
}

/// Where a thing is.
fn place(resource: &ResourceRef) -> Result<Place, VsphereError> {
    let attempt = || format!("remove {resource}");
    let server = resource.details.get("server").map(String::as_str).unwrap_or_default();
    let server: Server = serde_json::from_str(server)
        .map_err(|error| VsphereError::new(VsphereErrorKind::Usage, attempt()).because(error))?;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(password) = variable("VSPHERE_PASSWORD").or_else(|| variable("GOVC_PASSWORD")) else {
        return Err(VsphereError::new(VsphereErrorKind::Auth, attempt())
            .because(format!("the password for {server} is not known any more"))
            .hint("set VSPHERE_PASSWORD (and VSPHERE_USER, for another user), and run `goldsmith gc`"));
    };
    let user = variable("VSPHERE_USER").or_else(|| resource.details.get("user").cloned()).unwrap_or_default();
    Ok(Place { server, user, password: Secret::new(password) })
}

impl VCenter {
    /// Whether a thing of undo data is in this session's vCenter.
    pub fn holds(&self, resource: &ResourceRef) -> bool {
        let server =
            resource.details.get("server").and_then(|text| serde_json::from_str::<Server>(text).ok());
        server.is_some_and(|server| server == self.place().server)
    }
}

/// As [`remove`], in this session if the thing is where it is.
pub async fn remove_with(vcenter: &VCenter, resource: &ResourceRef, stop: &Stop) -> Result<(), VsphereError> {
    let Some(kind) = Kind::of(&resource.kind) else {
        return Err(VsphereError::new(VsphereErrorKind::Usage, format!("remove {resource}"))
            .because("this goldsmith does not know such a thing: a newer one made it"));
    };
    let Some(seconds) = resource.details.get(LEASE_SECONDS).and_then(|seconds| seconds.parse().ok()) else {
        return unless_gone(one(vcenter, kind, resource, stop).await);
    };
    // Somebody died in the middle of moving its files. If the lease cannot be given up from here, it ends by itself.
    let until = tokio::time::Instant::now() + Duration::from_secs(seconds) + LATE;
    if let Some(lease) = resource.details.get(LEASE).and_then(|lease| lease.parse::<Moref>().ok()) {
        vcenter.give_up_lease(&lease).await;
    }
    loop {
        let removed = unless_gone(one(vcenter, kind, resource, stop).await);
        match removed {
            Err(error) if is_held(&error) && !stop.is_hurried() && tokio::time::Instant::now() < until => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            removed => return removed,
        }
    }
}

/// What a server takes longer than it says.
const LATE: Duration = Duration::from_secs(30);

/// Whether somebody else is at it.
fn is_held(error: &VsphereError) -> bool {
    const FAULTS: [&str; 3] = ["InvalidState", "TaskInProgress", "ResourceInUse"];
    error.fault().is_some_and(|fault| FAULTS.iter().any(|name| fault.is(name)))
}

/// Gone already is a success.
fn unless_gone(removed: Result<(), VsphereError>) -> Result<(), VsphereError> {
    match removed {
        Err(error) if error.kind() != VsphereErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn one(vcenter: &VCenter, kind: Kind, resource: &ResourceRef, stop: &Stop) -> Result<(), VsphereError> {
    match kind {
        Kind::Machine => remove_machine(vcenter, resource, stop).await,
        Kind::Folder => remove_folder(vcenter, resource).await,
        Kind::File => remove_file(vcenter, resource).await,
        Kind::LibraryItem => rest::remove_item(vcenter, resource).await,
        Kind::Tag => rest::remove_tag(vcenter, resource).await,
        Kind::Category => rest::remove_category(vcenter, resource).await,
    }
}
