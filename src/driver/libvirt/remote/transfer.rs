//! Files to and from a volume of another host, through libvirt's connection. Holes travel as holes: what the guest gave back
//! must not come back as zeroes.
#![allow(unsafe_code, reason = "the `virt` crate has no holes in its streams")]
use crate::driver::{DriverError, DriverErrorKind};
use nix::{
    errno::Errno,
    unistd::{Whence, lseek},
};
use std::{
    ffi::{c_char, c_longlong},
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};
use virt::{connect::Connect, storage_vol::StorageVol, stream::Stream, sys};

/// One message of libvirt's protocol carries a little less than this.
const PIECE: usize = 256 << 10;

/// Told how many bytes of data of how many are there; says whether to go on.
pub(super) type Report<'a> = &'a dyn Fn(u64, Option<u64>) -> bool;

/// Why a file did not travel.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransferError {
    /// The file on this side.
    #[error("the file on this host")]
    Local(#[from] io::Error),
    /// The other side or the way to it.
    #[error("libvirt: {0}")]
    Libvirt(String),
    /// Whoever waited does not wait any more.
    #[error("it was interrupted")]
    Interrupted,
}

impl TransferError {
    /// As the driver's error; `attempt` completes "could not …".
    pub(super) fn into_driver(self, attempt: &str) -> DriverError {
        let kind = match &self {
            Self::Interrupted => DriverErrorKind::Cancelled,
            _ => DriverErrorKind::Other,
        };
        match self {
            Self::Local(error) => DriverError::new(kind, attempt).because(error),
            error => DriverError::new(kind, attempt).because(error),
        }
    }
}

impl From<virt::error::Error> for TransferError {
    fn from(error: virt::error::Error) -> Self {
        Self::Libvirt(error.message().to_owned())
    }
}

/// A part of a file that holds data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    start: u64,
    end: u64,
}

/// Where `file` of `length` bytes has data.
fn extents(file: &File, length: u64) -> io::Result<Vec<Extent>> {
    let seek = |at: u64, whence| match lseek(file, at as i64, whence) {
        Ok(found) => Ok(Some(found as u64)),
        // There is nothing but a hole up to the end.
        Err(Errno::ENXIO) => Ok(None),
        Err(error) => Err(io::Error::from(error)),
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < length {
        let Some(start) = seek(at, Whence::SeekData)?.filter(|start| *start < length) else { break };
        let end = seek(start, Whence::SeekHole)?.unwrap_or(length).min(length);
        found.push(Extent { start, end });
        at = end;
    }
    Ok(found)
}

/// Bytes of data in the file, without its holes.
pub(super) fn data_bytes(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok(extents(&file, length)?.iter().map(|extent| extent.end - extent.start).sum())
}

/// Sends `path` into `volume`, which becomes as long as the file. Blocks.
pub(super) fn upload(
    connect: &Connect,
    volume: &StorageVol,
    path: &Path,
    report: Report<'_>,
) -> Result<(), TransferError> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let extents = extents(&file, length)?;
    let total = extents.iter().map(|extent| extent.end - extent.start).sum();
    let stream = Stream::new(connect, 0)?;
    volume.upload(&stream, 0, 0, sys::VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)?;
    match send(&stream, &file, length, &extents, total, report) {
        Ok(()) => Ok(stream.finish()?),
        Err(error) => {
            // The first error is the one that counts.
            let _ = stream.abort();
            Err(error)
        }
    }
}

fn send(
    stream: &Stream,
    file: &File,
    length: u64,
    extents: &[Extent],
    total: u64,
    report: Report<'_>,
) -> Result<(), TransferError> {
    let mut piece = vec![0; PIECE];
    let (mut at, mut done) = (0, 0);
    let end = Extent { start: length, end: length };
    for extent in extents.iter().copied().chain([end]) {
        if extent.start > at {
            send_hole(stream, extent.start - at)?;
        }
        at = extent.start;
        while at < extent.end {
            if !report(done, Some(total)) {
                return Err(TransferError::Interrupted);
            }
            let wanted = (extent.end - at).min(PIECE as u64) as usize;
            file.read_exact_at(&mut piece[..wanted], at)?;
            let mut rest = &piece[..wanted];
            while !rest.is_empty() {
                let sent = stream.send(rest)?;
                rest = &rest[sent..];
            }
            at += wanted as u64;
            done += wanted as u64;
        }
    }
    report(done, Some(total));
    Ok(())
}

fn send_hole(stream: &Stream, length: u64) -> Result<(), TransferError> {
    // SAFETY: the stream is open as long as the reference lives; no flag is defined.
    if unsafe { sys::virStreamSendHole(stream.as_ptr(), length as c_longlong, 0) } < 0 {
        return Err(virt::error::Error::last_error().into());
    }
    Ok(())
}

/// Fetches all of `volume` into the new file `path`. Blocks.
pub(super) fn download(
    connect: &Connect,
    volume: &StorageVol,
    path: &Path,
    report: Report<'_>,
) -> Result<(), TransferError> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let stream = Stream::new(connect, 0)?;
    // The allocation counts what is not data too, so it is an estimate.
    let total = volume.get_info().ok().map(|info| info.allocation);
    volume.download(&stream, 0, 0, sys::VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)?;
    match receive(&stream, &file, total, report) {
        Ok(()) => Ok(stream.finish()?),
        Err(error) => {
            let _ = stream.abort();
            Err(error)
        }
    }
}

fn receive(
    stream: &Stream,
    file: &File,
    total: Option<u64>,
    report: Report<'_>,
) -> Result<(), TransferError> {
    const AT_HOLE: i32 = -3;
    let mut piece = vec![0_u8; PIECE];
    let (mut at, mut done) = (0_u64, 0_u64);
    loop {
        if !report(done, total.map(|total| total.max(done))) {
            return Err(TransferError::Interrupted);
        }
        // SAFETY: the buffer is valid for as many bytes as are named, and the stream is open.
        let received = unsafe {
            sys::virStreamRecvFlags(
                stream.as_ptr(),
                piece.as_mut_ptr().cast::<c_char>(),
                piece.len(),
                sys::VIR_STREAM_RECV_STOP_AT_HOLE,
            )
        };
        match received {
            0 => break,
            AT_HOLE => at += receive_hole(stream)?,
            length @ 1.. => {
                let length = length as usize;
                file.write_all_at(&piece[..length], at)?;
                at += length as u64;
                done += length as u64;
            }
            _ => return Err(virt::error::Error::last_error().into()),
        }
    }
    // A hole at the end was not written.
    Ok(file.set_len(at)?)
}

fn receive_hole(stream: &Stream) -> Result<u64, TransferError> {
    let mut length: c_longlong = 0;
    // SAFETY: the pointer is to a local variable, and the stream is open.
    if unsafe { sys::virStreamRecvHole(stream.as_ptr(), &raw mut length, 0) } < 0 {
        return Err(virt::error::Error::last_error().into());
    }
    u64::try_from(length).map_err(|_| TransferError::Libvirt("a hole with a negative length".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_no_data() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        let file = File::create(&path).unwrap();
        file.write_all_at(&[1; 4096], 1 << 20).unwrap();
        file.set_len(8 << 20).unwrap();
        assert_eq!(data_bytes(&path).unwrap(), 4096);
        let file = File::open(&path).unwrap();
        assert_eq!(extents(&file, 8 << 20).unwrap(), [Extent { start: 1 << 20, end: (1 << 20) + 4096 }]);
        file.metadata().unwrap();
        std::fs::write(&path, b"").unwrap();
        assert_eq!(data_bytes(&path).unwrap(), 0);
    }
}
