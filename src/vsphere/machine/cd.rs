//! Images in CD drives of a machine that is there: into drives with none, and into drives that are added for them.
use super::{
    Device, Machine,
    device::{add, connectable, empty_drive, iso, write_cd},
};
use crate::{
    cx::Cx,
    vsphere::{Element, VsphereError, VsphereErrorKind},
};

/// Controllers of CD drives, with the room that each has. The first kind is taken where there are both.
const CONTROLLERS: [(&str, i32); 2] = [("VirtualAHCIController", 30), ("VirtualIDEController", 2)];
/// A controller that is not there yet.
const NEW: i32 = -100;

impl Machine {
    /// Puts images (`[datastore] folder/name.iso`) into CD drives that have none; drives are added for those that find no room. The machine
    /// must be off. Returns the keys of the drives that were added.
    pub async fn insert_cds(&self, cx: &Cx, files: &[String]) -> Result<Vec<i32>, VsphereError> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let attempt = format!("put {} into CD drives of `{}`", files.join(" and "), self.path);
        let devices = self.devices().await?;
        let before: Vec<&Device> = devices.iter().filter(|device| device.is_cd()).collect();
        let empty: Vec<&Device> = before.iter().copied().filter(|cd| cd.image().is_none()).collect();
        let (into, rest) = files.split_at(files.len().min(empty.len()));
        let places = places(&devices, rest.len());
        if places.len() < rest.len() {
            return Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
                .because("its controllers have no room for more CD drives"));
        }
        self.change_devices(cx, &attempt, |spec| {
            for (cd, file) in empty.iter().zip(into) {
                let backing = |device: &mut Element| iso(device, file);
                let connected = |device: &mut Element| connectable(device, true);
                cd.edit(spec, &[("backing", Some(&backing)), ("connectable", Some(&connected))]);
            }
            if places.first().is_some_and(|(on, _)| *on == NEW) {
                add(spec, CONTROLLERS[0].0, false, |device| {
                    device.number("key", NEW).number("busNumber", 0);
                });
            }
            for (((on, unit), file), key) in places.iter().zip(rest).zip((i32::MIN..NEW).rev()) {
                write_cd(spec, file, key, *on, *unit);
            }
        })
        .await?;
        let added = |device: &Device| device.is_cd() && !before.iter().any(|cd| cd.key() == device.key());
        Ok(self.devices().await?.iter().filter(|device| added(device)).filter_map(Device::key).collect())
    }

    /// Removes the drives of these keys, and empties others in which one of these images is. The machine must be off.
    pub async fn release_cds(&self, cx: &Cx, drives: &[i32], files: &[String]) -> Result<(), VsphereError> {
        let devices = self.devices().await?;
        let is_ours = |cd: &&Device| cd.key().is_some_and(|key| drives.contains(&key));
        let has_ours = |cd: &&Device| cd.image().is_some_and(|image| files.iter().any(|file| file == image));
        let (ours, others): (Vec<&Device>, Vec<&Device>) =
            devices.iter().filter(|device| device.is_cd()).partition(is_ours);
        let filled: Vec<&Device> = others.into_iter().filter(has_ours).collect();
        if ours.is_empty() && filled.is_empty() {
            return Ok(());
        }
        self.change_devices(cx, &format!("take the build's CDs out of `{}`", self.path), |spec| {
            for cd in ours {
                cd.remove(spec);
            }
            for cd in filled {
                let disconnected = |device: &mut Element| connectable(device, false);
                cd.edit(spec, &[("backing", Some(&empty_drive)), ("connectable", Some(&disconnected))]);
            }
        })
        .await
    }
}

/// Controllers and numbers for so many new drives: on what is there, or else on a controller that is made. Fewer if there is no room.
fn places(devices: &[Device], wanted: usize) -> Vec<(i32, i32)> {
    let mut places = Vec::new();
    for (kind, room) in CONTROLLERS {
        for on in devices.iter().filter(|device| device.kind() == kind).filter_map(Device::key) {
            let number = |device: &Device, name: &str| device.node().text_at(name)?.parse::<i32>().ok();
            let taken: Vec<Option<i32>> = devices
                .iter()
                .filter(|device| number(device, "controllerKey") == Some(on))
                .map(|device| number(device, "unitNumber"))
                .collect();
            places.extend((0..room).filter(|unit| !taken.contains(&Some(*unit))).map(|unit| (on, unit)));
        }
    }
    if places.len() < wanted && !devices.iter().any(|device| device.kind() == CONTROLLERS[0].0) {
        places = (0..CONTROLLERS[0].1).map(|unit| (NEW, unit)).collect();
    }
    places.truncate(wanted);
    places
}
