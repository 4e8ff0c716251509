//! What a build starts from: a machine or a template that is copied, or an item of a content library. Makes nothing.
use super::{Origin, Vsphere};
use crate::{
    cx::Cx,
    driver::{DriverError, DriverErrorKind, KeptImage, KeptKind},
    plan::{SourcePlan, VsphereSourcePlan},
    value::Size,
    vsphere::{
        Named, Node, VsphereError, VsphereErrorKind,
        machine::{Device, Machine, Snapshot},
        plain_name,
    },
};

/// Finds it, and remembers what it is.
pub(super) async fn image(driver: &Vsphere, cx: &Cx, source: &SourcePlan) -> Result<KeptImage, DriverError> {
    let unsupported = |why: &str| {
        Err(DriverError::new(DriverErrorKind::Unsupported, "find an image to start from").because(why))
    };
    match source {
        SourcePlan::Vsphere(VsphereSourcePlan::Clone { of, linked, snapshot }) => {
            let found = machine(driver, cx, of, *linked, snapshot.as_deref());
            Ok(cx.stop().unless_cancelled(found).await??)
        }
        SourcePlan::Vsphere(VsphereSourcePlan::Item { library, item: name }) => {
            Ok(cx.stop().unless_cancelled(item(driver, library, name)).await??)
        }
        SourcePlan::Vsphere(VsphereSourcePlan::Ova(_)) => {
            unsupported("an OVA is imported by the build; it is no image that the vCenter keeps")
        }
        _ => unsupported("a vCenter keeps machines, templates and items of content libraries"),
    }
}

/// A machine or a template, as it is or as it was in a snapshot.
async fn machine(
    driver: &Vsphere,
    cx: &Cx,
    said: &str,
    linked: bool,
    snapshot: Option<&str>,
) -> Result<KeptImage, VsphereError> {
    let vcenter = &driver.vcenter;
    let datacenter = vcenter.datacenter(driver.place.datacenter.as_deref()).await?;
    let moref = vcenter.find(Named::Machine, Some(&datacenter), said).await?;
    if moref.kind != "VirtualMachine" {
        return Err(VsphereError::new(VsphereErrorKind::Usage, format!("copy `{said}`"))
            .because(format!("it is no machine, but a {}", moref.kind)));
    }
    if linked && driver.plan.disk.is_some() {
        return Err(VsphereError::new(VsphereErrorKind::Usage, format!("make a linked copy of `{said}`"))
            .because("the disks of a linked copy have the size of the original's")
            .hint("leave out `machine.disk`, or make a full copy"));
    }
    let machine = Machine::new(vcenter, moref.clone(), vcenter.path_of(&moref).await?);
    let snapshot = which(&machine, linked, snapshot).await?;
    let paths = [
        "name",
        "config.template",
        "config.guestFullName",
        "config.createDate",
        "runtime.powerState",
        "config.hardware.device",
    ];
    let properties = vcenter.properties(&moref, &paths).await?;
    let text = |path: &str| properties.text(path).filter(|text| !text.is_empty());
    let template = properties.get("config.template").is_some_and(Node::is_true);
    if text("runtime.powerState") == Some("poweredOn") && snapshot.is_none() {
        cx.events().notice(format!(
            "`{}` is running: its copy is as if its plug had been pulled, and starts by itself only if its system bears that",
            machine.path()
        ));
    }
    let sizes: Vec<String> = machine
        .devices()
        .await?
        .iter()
        .filter_map(Device::capacity)
        .map(|bytes| Size::bytes(bytes).to_string())
        .collect();
    let what = if template { "template" } else { "machine" };
    let mut description = format!("{what} `{}` at {}", machine.path(), vcenter.place().server);
    for part in [
        text("config.guestFullName").map(ToOwned::to_owned),
        (!sizes.is_empty()).then(|| format!("disks of {}", sizes.join(" and "))),
        text("config.createDate").map(|made| format!("made on {}", day(made))),
        snapshot.as_ref().map(|snapshot| {
            let of = if linked { "linked to" } else { "as in" };
            format!("{of} its snapshot `{}` of {}", snapshot.name, day(&snapshot.made))
        }),
    ]
    .into_iter()
    .flatten()
    {
        description.push_str(", ");
        description.push_str(&part);
    }
    let path = machine.path().to_owned();
    let origin = Origin::Machine {
        moref,
        path: path.clone(),
        linked,
        snapshot: snapshot.as_ref().map(|snapshot| snapshot.moref.clone()),
    };
    driver.remember(&path, origin);
    Ok(KeptImage {
        kind: if template { KeptKind::Template } else { KeptKind::Machine },
        id: path,
        place: vcenter.place().server.to_string(),
        name: plain_name(text("name").unwrap_or(said)),
        disks: snapshot.into_iter().map(|snapshot| snapshot.moref.id).collect(),
        description,
    })
}

/// The snapshot that is meant: by name, or for a linked copy the current one.
async fn which(
    machine: &Machine,
    linked: bool,
    said: Option<&str>,
) -> Result<Option<Snapshot>, VsphereError> {
    if said.is_none() && !linked {
        return Ok(None);
    }
    let all = machine.snapshots().await?;
    let attempt = || match said {
        Some(said) => format!("find the snapshot `{said}` of `{}`", machine.path()),
        None => format!("make a linked copy of `{}`", machine.path()),
    };
    let names = || {
        let names: Vec<String> = all.iter().map(|snapshot| format!("`{}`", snapshot.name)).collect();
        names.join(", ")
    };
    if all.is_empty() {
        return Err(VsphereError::new(VsphereErrorKind::NotFound, attempt())
            .because("it has no snapshot")
            .hint("make one of it, or let it be a full copy of the machine as it is: leave out `linked` and `snapshot`"));
    }
    let Some(said) = said else {
        let current = machine.current_snapshot().await?;
        let found = all.iter().find(|snapshot| Some(&snapshot.moref) == current.as_ref()).cloned();
        return match found {
            Some(found) => Ok(Some(found)),
            None => Err(VsphereError::new(VsphereErrorKind::NotFound, attempt())
                .because("the vCenter does not tell its current snapshot")
                .hint(format!("name one with `snapshot`; there are: {}", names()))),
        };
    };
    let mut named = all.iter().filter(|snapshot| snapshot.name == said);
    match (named.next(), named.count()) {
        (Some(found), 0) => Ok(Some(found.clone())),
        (Some(_), more) => Err(VsphereError::new(VsphereErrorKind::Usage, attempt())
            .because(format!("it has {} of this name", more + 1))
            .hint("rename the others")),
        (None, _) => Err(VsphereError::new(VsphereErrorKind::NotFound, attempt())
            .because(format!("there are: {}", names()))),
    }
}

/// An item of a content library.
async fn item(driver: &Vsphere, library: &str, name: &str) -> Result<KeptImage, VsphereError> {
    let vcenter = &driver.vcenter;
    let found = vcenter.library(library).await?;
    let Some(item) = vcenter.library_item(&found, name).await? else {
        let names = vcenter.library_items(&found).await?;
        let why = if names.is_empty() {
            "there is none in it".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        let attempt = format!("find the item `{name}` in the content library `{library}`");
        return Err(VsphereError::new(VsphereErrorKind::NotFound, attempt).because(why));
    };
    let what = match item.kind.as_str() {
        "ovf" => "OVF package",
        "vm-template" => "template",
        other => {
            let attempt = format!("start from the item `{name}` of the content library `{library}`");
            return Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
                .because(format!("it is of the type `{other}`"))
                .hint("machines are made of items of the types `ovf` and `vm-template`"));
        }
    };
    let mut description =
        format!("{what} `{name}` of the content library `{library}` at {}", vcenter.place().server);
    if item.size > 0 {
        description.push_str(&format!(", {}", Size::bytes(item.size)));
    }
    if let Some(version) = &item.content_version {
        description.push_str(&format!(", version {version} of its content"));
    }
    let id = format!("{library}/{name}");
    driver.remember(&id, Origin::Item(item));
    Ok(KeptImage {
        kind: KeptKind::LibraryItem,
        id,
        place: vcenter.place().server.to_string(),
        name: name.to_owned(),
        disks: Vec::new(),
        description,
    })
}

/// Of a time, the day.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}
