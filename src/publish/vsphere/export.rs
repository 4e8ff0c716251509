//! From a machine, a template or a snapshot of a vCenter to an OVA, or to an OVF with its files, on this host.
use super::describe;
use crate::{
    cx::{Cx, Event, Unit},
    disk::{
        DiskError, DiskErrorKind,
        ova::{Assembled, Assembly, Slot},
    },
    publish::stage::stage,
    vsphere::{
        DiskThere, Lease, LeaseDevice, LeaseProgress, ManifestEntry, Moref, Named, Node, VCenter,
        VsphereError, VsphereErrorKind,
        machine::Machine,
        nfc::{Download, Moved, Piece},
    },
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinHandle};

/// Pieces that wait for the disk they are written to.
const AHEAD: usize = 64;

/// A machine to export.
#[derive(Debug, Clone)]
pub struct Export<'a> {
    /// The datacenter, by name or path.
    pub datacenter: Option<&'a str>,
    /// The machine or template, by name or path.
    pub machine: &'a str,
    /// Its disks as they were in this snapshot. Without one it must be off.
    pub snapshot: Option<&'a str>,
    /// An OVA or an OVF, as its end says.
    pub to: &'a Path,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exported {
    /// The vCenter.
    pub server: String,
    /// Path of the machine in the inventory.
    pub machine: String,
    /// The archive or the description first.
    pub files: Vec<PathBuf>,
    /// Length of all of them.
    pub bytes: u64,
    /// SHA-256 of the first.
    pub sha256: String,
    /// Sizes of the disks in bytes.
    pub disks: Vec<u64>,
    /// Bytes that were fetched.
    pub bytes_fetched: u64,
    /// How many of the disks the server told a digest of, which was the same as here.
    pub digests_compared: usize,
    /// How often a disk was begun again.
    pub repeated: u32,
}

impl Export<'_> {
    /// Makes the files. Nothing has its name before everything is complete.
    pub async fn run(&self, cx: &Cx, vcenter: &VCenter) -> Result<Exported, VsphereError> {
        let (machine, what, spec) = stage(
            cx,
            "check",
            Box::pin(async {
                let datacenter = vcenter.datacenter(self.datacenter).await?;
                let moref = vcenter.find(Named::Machine, Some(&datacenter), self.machine).await?;
                let machine = Machine::new(vcenter, moref.clone(), vcenter.path_of(&moref).await?);
                let properties = vcenter.properties(&moref, &describe::PROPERTIES).await?;
                let what = match self.snapshot {
                    Some(name) => snapshot(&properties.get("snapshot").cloned().unwrap_or_default(), name)
                        .ok_or_else(|| wrong(&machine, &format!("it has no snapshot `{name}`")))?,
                    None => moref,
                };
                if self.snapshot.is_none() && properties.text("runtime.powerState") != Some("poweredOff") {
                    let refused = wrong(&machine, "it is not off");
                    return Err(refused.hint("shut it down, or export a snapshot"));
                }
                let spec = describe::spec(vcenter, &properties, &machine.devices().await?).await?;
                Ok::<_, VsphereError>((machine, what, spec))
            }),
        )
        .await?;
        let (assembly, moved, entries, disks) =
            stage(cx, "download", Box::pin(self.fetch(cx, vcenter, &machine, &what, spec))).await?;
        let assembled = stage(cx, "assemble", Box::pin(self.assemble(cx, assembly, &moved))).await?;
        Ok(Exported {
            server: vcenter.place().server.to_string(),
            machine: machine.path().to_owned(),
            files: assembled.files,
            bytes: assembled.bytes,
            sha256: assembled.sha256,
            disks,
            bytes_fetched: moved.iter().map(|file| file.bytes).sum(),
            digests_compared: entries,
            repeated: moved.iter().map(|file| file.repeated).sum(),
        })
    }

    /// Gets a lease and all disks.
    async fn fetch(
        &self,
        cx: &Cx,
        vcenter: &VCenter,
        machine: &Machine,
        what: &Moref,
        spec: crate::disk::ova::OvaSpec,
    ) -> Result<(Assembly, Vec<Moved>, usize, Vec<u64>), VsphereError> {
        // What a snapshot's disks were is what the snapshot says, not the machine.
        let found = match what.kind.as_str() {
            "VirtualMachineSnapshot" => vcenter.properties(what, &["config.hardware.device"]).await?,
            _ => vcenter.properties(machine.moref(), &["config.hardware.device"]).await?,
        };
        let devices = found.get("config.hardware.device").map(|all| all.nodes.as_slice()).unwrap_or_default();
        let offered = DiskThere::all(devices);
        let lease = vcenter.export(what).await?;
        let fetched = self.fetch_held(cx, vcenter, machine, &lease, spec, &offered).await;
        match fetched {
            Ok(fetched) => Ok(fetched),
            Err(error) => {
                lease.abort().await;
                Err(error)
            }
        }
    }

    async fn fetch_held(
        &self,
        cx: &Cx,
        vcenter: &VCenter,
        machine: &Machine,
        lease: &Lease,
        spec: crate::disk::ova::OvaSpec,
        told: &[DiskThere],
    ) -> Result<(Assembly, Vec<Moved>, usize, Vec<u64>), VsphereError> {
        let info = lease.ready(cx).await?;
        let progress = Arc::new(LeaseProgress::default());
        let keeper = lease.keep(&info, &progress);
        // A lease may hold more than disks: the store of UEFI variables, which no image of ours has.
        let disks: Vec<&LeaseDevice> = info.devices.iter().filter(|device| device.disk).collect();
        let disks = DiskThere::in_order(disks, told);
        let capacities: Vec<u64> = told.iter().map(|disk| disk.capacity).collect();
        let capacities = capacities.as_slice();
        if disks.len() != capacities.len() || disks.is_empty() {
            let why = format!("it has {} disks, and the lease offers {}", capacities.len(), disks.len());
            return Err(wrong(machine, &why));
        }
        let assembly = Assembly::create(self.to, spec, capacities).map_err(|error| self.unwritten(error))?;
        let slots = assembly.slots().map_err(|error| self.unwritten(error))?;
        let (mut files, mut writers) = (Vec::new(), Vec::new());
        for ((device, slot), capacity) in disks.iter().zip(slots).zip(capacities) {
            let (to, from) = mpsc::channel(AHEAD);
            writers.push(written(slot, from));
            files.push(Download {
                name: device.target.clone().unwrap_or_else(|| device.key.clone()),
                device: (*device).clone(),
                expected: Some(*capacity),
                to,
            });
        }
        let fetched = keeper
            .while_held(async {
                let fetched = vcenter.fetch_files(cx, &progress, files).await;
                // A writer that failed is why nobody took the bytes any more.
                for writer in writers {
                    let written = writer.await.map_err(std::io::Error::other).flatten();
                    written.map_err(|error| self.unwritten(error))?;
                }
                let moved = fetched?;
                let entries = lease.manifest().await?;
                let compared = Lease::compare(&entries, &moved, false)?;
                check_capacities(machine, &entries, &moved, capacities)?;
                Ok((moved, compared))
            })
            .await?;
        lease.complete().await?;
        Ok((assembly, fetched.0, fetched.1, capacities.to_vec()))
    }

    fn unwritten(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> VsphereError {
        let error = error.into();
        let full = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::StorageFull);
        let kind = if full { VsphereErrorKind::NoSpace } else { VsphereErrorKind::Other };
        VsphereError::new(kind, format!("write `{}`", self.to.display())).because(error)
    }

    /// Makes what surrounds the disks, and proves it.
    async fn assemble(
        &self,
        cx: &Cx,
        assembly: Assembly,
        moved: &[Moved],
    ) -> Result<Assembled, VsphereError> {
        const TOLD_EVERY: Duration = Duration::from_millis(100);
        let came: Vec<(u64, String)> = moved.iter().map(|file| (file.bytes, file.sha256.clone())).collect();
        let (stop, shown) = (cx.stop().clone(), cx.clone());
        let finished = tokio::task::spawn_blocking(move || {
            let last = Mutex::new(None::<Instant>);
            let progress = |at: crate::disk::Progress| {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.is_some_and(|last| last.elapsed() < TOLD_EVERY) && at.done < at.total {
                    return;
                }
                *last = Some(Instant::now());
                let (what, total) = ("verify".to_owned(), Some(at.total));
                shown.emit(Event::Progress { what, done: at.done, total, unit: Unit::Bytes });
            };
            let finished = assembly.finish(&came, &progress, &|| stop.is_cancelled());
            shown.emit(Event::ProgressFinished { what: "verify".to_owned() });
            finished
        })
        .await
        .map_err(|error| self.unwritten(error))?;
        cx.check()?;
        finished.map_err(|error: DiskError| match error.kind() {
            DiskErrorKind::NoSpace => {
                VsphereError::new(VsphereErrorKind::NoSpace, format!("write `{}`", self.to.display()))
                    .because(error)
            }
            _ => self.unwritten(error),
        })
    }
}

fn wrong(machine: &Machine, why: &str) -> VsphereError {
    VsphereError::new(VsphereErrorKind::Usage, format!("export `{}`", machine.path())).because(why.to_owned())
}

/// The server's manifest may tell the sizes of the disks, too.
fn check_capacities(
    machine: &Machine,
    told: &[ManifestEntry],
    moved: &[Moved],
    capacities: &[u64],
) -> Result<(), VsphereError> {
    for (file, capacity) in moved.iter().zip(capacities) {
        let entry = told.iter().find(|entry| entry.key == file.key);
        if let Some(said) = entry.and_then(|entry| entry.capacity).filter(|said| said != capacity) {
            let why = format!("`{}` has {said} bytes, and its disk {capacity}", file.name);
            return Err(wrong(machine, &why));
        }
    }
    Ok(())
}

/// Writes what comes, on a thread of its own.
fn written(mut slot: Slot, mut from: mpsc::Receiver<Piece>) -> JoinHandle<std::io::Result<()>> {
    tokio::task::spawn_blocking(move || {
        while let Some(piece) = from.blocking_recv() {
            match piece {
                Piece::Bytes(bytes) => slot.append(&bytes)?,
                Piece::Restart => slot.restart()?,
            }
        }
        Ok(())
    })
}

/// The snapshot of this name in a machine's tree of them.
fn snapshot(info: &Node, name: &str) -> Option<Moref> {
    fn below(list: &Node, element: &'static str, name: &str) -> Option<Moref> {
        list.all(element).find_map(|tree| {
            let own = tree.text_at("name").is_some_and(|own| own == name);
            let found = own.then(|| tree.at("snapshot").and_then(Node::as_moref)).flatten();
            found.or_else(|| below(tree, "childSnapshotList", name))
        })
    }
    below(info, "rootSnapshotList", name)
}
