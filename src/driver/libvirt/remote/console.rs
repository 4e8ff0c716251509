//! The serial console of a machine on another host, as a stream over the connection into a file on this one.
use crate::driver::{
    DriverError, DriverErrorKind,
    libvirt::connection::{Connection, failed},
};
use std::{fs::OpenOptions, io::Write, path::Path};
use virt::{domain::Domain, stream::Stream, sys};

/// Begins to write the console of `domain` to `file`, until the machine ends. Blocks only for the beginning.
pub(super) fn follow(connection: &Connection, domain: &Domain, file: &Path) -> Result<(), DriverError> {
    const ATTEMPT: &str = "read the machine's serial console";
    let why = |error: virt::error::Error| failed(ATTEMPT, &error);
    let local = |error: std::io::Error| DriverError::new(DriverErrorKind::Other, ATTEMPT).because(error);
    let mut log = OpenOptions::new().append(true).create(true).open(file).map_err(local)?;
    let stream = Stream::new(connection.connect(), 0).map_err(why)?;
    domain.open_console(None, &stream, sys::VIR_DOMAIN_CONSOLE_FORCE).map_err(why)?;
    // A thread of its own: it lives as long as the machine, and the stream knows no other way to wait than to block.
    let reader = move || {
        let mut piece = vec![0; 16 << 10];
        while let Ok(length) = stream.recv(&mut piece) {
            // A full disk must not end a machine that may still succeed.
            if length == 0 || log.write_all(&piece[..length]).is_err() {
                break;
            }
        }
        let _ = stream.abort();
    };
    std::thread::Builder::new().name("serial-console".into()).spawn(reader).map(drop).map_err(local)
}
