//! A machine's disk on this host.
use super::machine::Built;
use crate::{
    cx::{Cx, Undo},
    driver::{DiskFormat, DriverError, DriverErrorKind, ExportedDisk},
    vsphere::{
        DiskThere, Lease, LeaseDevice, LeaseInfo, LeaseProgress, VsphereError, VsphereErrorKind,
        machine::PowerState,
        nfc::{Download, Moved, Piece},
    },
};
use std::{
    fs::File,
    io::{self, Seek, Write},
    path::Path,
    sync::Arc,
};
use tokio::sync::mpsc;

/// Pieces that wait for the disk they are written to.
const AHEAD: usize = 64;

/// Brings the first disk of a machine, which is off, as it was when that was shut down. The lease is kept alive however slow the way is.
pub(super) async fn disk(built: &Built, cx: &Cx, index: usize) -> Result<ExportedDisk, DriverError> {
    let machine = &built.machine;
    if index > 0 {
        let attempt = format!("bring the disk {} of `{}` here", index + 1, machine.path());
        return Err(DriverError::new(DriverErrorKind::Unsupported, attempt)
            .because("files are made of the first disk of a machine"));
    }
    if machine.power().await?.0 != PowerState::Off {
        let attempt = format!("bring the disk of `{}` here", machine.path());
        return Err(DriverError::new(DriverErrorKind::Other, attempt).because("the machine is not off"));
    }
    let path = cx.work().join(format!("exported-{index}.vmdk"));
    let _ = cx.plan_path(&path)?;
    let lease = machine.vcenter().export(machine.moref()).await?;
    fetch(built, cx, &lease, &path).await?;
    Ok(ExportedDisk { path, format: DiskFormat::Vmdk })
}

async fn fetch(built: &Built, cx: &Cx, lease: &Lease, path: &Path) -> Result<(), VsphereError> {
    let machine = &built.machine;
    let info = match lease.ready(cx).await {
        Ok(info) => info,
        Err(error) => {
            lease.abort().await;
            return Err(error);
        }
    };
    // As long as the lease is held, nobody can remove the machine.
    let held = cx.undo().plan(Undo::Resource(lease.held(&info, machine.path(), cx.id().as_str())))?;
    let fetched = fetch_held(built, cx, lease, &info, path).await;
    if fetched.is_err() {
        lease.abort().await;
    }
    cx.undo().keep(held)?;
    fetched
}

async fn fetch_held(
    built: &Built,
    cx: &Cx,
    lease: &Lease,
    info: &LeaseInfo,
    path: &Path,
) -> Result<(), VsphereError> {
    let machine = &built.machine;
    let progress = Arc::new(LeaseProgress::default());
    let keeper = lease.keep(info, &progress);
    let devices: Vec<_> = machine.devices().await?.iter().map(|device| device.node().clone()).collect();
    let there = DiskThere::all(&devices);
    // A lease may hold more than disks: the store of UEFI variables.
    let disks: Vec<&LeaseDevice> = info.devices.iter().filter(|device| device.disk).collect();
    let (Some(first), Some(device)) = (there.first(), DiskThere::in_order(disks, &there).first().copied())
    else {
        return Err(VsphereError::new(VsphereErrorKind::NotFound, format!("export `{}`", machine.path()))
            .because("it has no disk"));
    };
    let (to, from) = mpsc::channel(AHEAD);
    let target = path.to_owned();
    let writer = tokio::task::spawn_blocking(move || write(&target, from));
    let file = Download {
        name: device.target.clone().unwrap_or_else(|| device.key.clone()),
        device: device.clone(),
        expected: Some(first.capacity),
        to,
    };
    let moved = keeper
        .while_held(async {
            let fetched = machine.vcenter().fetch_files(cx, &progress, vec![file]).await;
            // A writer that failed is why nobody took the bytes any more.
            let written = writer.await.map_err(io::Error::other).flatten();
            written.map_err(|error| unwritten(path, error))?;
            let moved: Vec<Moved> = fetched?;
            let _ = Lease::compare(&lease.manifest().await?, &moved, false)?;
            Ok(moved)
        })
        .await?;
    lease.complete().await?;
    let sha256 = moved.first().map(|file| file.sha256.as_str()).unwrap_or_default();
    cx.events().notice(format!("the disk of `{}` is here: sha256:{sha256}", machine.path()));
    Ok(())
}

/// Writes what comes, on a thread of its own.
fn write(path: &Path, mut from: mpsc::Receiver<Piece>) -> io::Result<()> {
    let mut file = File::create(path)?;
    while let Some(piece) = from.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => file.write_all(&bytes)?,
            Piece::Restart => {
                file.set_len(0)?;
                file.rewind()?;
            }
        }
    }
    Ok(())
}

fn unwritten(path: &Path, error: io::Error) -> VsphereError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull => VsphereErrorKind::NoSpace,
        _ => VsphereErrorKind::Other,
    };
    VsphereError::new(kind, format!("write `{}`", path.display())).because(error)
}
