//! raw: the bytes of the disk; holes are not written, so they are holes of the file.
//!
//! The digest covers the zeroes of the holes too, which no shortcut spares. A thread of its own computes it behind the
//! writer: it reads the data back, from memory as a rule, and hashes zeroes for the holes without reading them.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::super::DiskError;
use super::super::output::{Digester, Finished, Pending};
use super::Target;
use super::map::CHUNK;
use super::pipeline::{Chunk, Payload, Sink};

/// How often the wait for the digest asks whether it should stop.
const ASK_EVERY: Duration = Duration::from_millis(100);

pub(super) struct RawSink<'a> {
    pending: Pending,
    digest: Behind,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> RawSink<'a> {
    pub(super) fn new(
        target: &Target,
        size: u64,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self, DiskError> {
        if target.level.is_some() {
            return Err(DiskError::unsupported("a raw image has no compression level").in_file(&target.path));
        }
        let pending = Pending::create(&target.path)?;
        pending.file().set_len(size).map_err(|error| pending.error(error))?;
        let file = pending.file().try_clone().map_err(|error| pending.error(error))?;
        Ok(Self { pending, digest: Behind::start(file), cancelled })
    }
}

impl Sink for RawSink<'_> {
    fn hole(&mut self, offset: u64, len: u64) -> Result<(), DiskError> {
        self.digest.add(Piece { offset, len, hole: true });
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk, _payload: Payload) -> Result<(), DiskError> {
        for range in &chunk.ranges {
            let bytes = &chunk.bytes[range.start as usize..range.end as usize];
            let at = chunk.offset + u64::from(range.start);
            self.pending.file().write_all_at(bytes, at).map_err(|error| self.pending.error(error).at(at))?;
        }
        self.digest.add(Piece { offset: chunk.offset, len: chunk.bytes.len() as u64, hole: false });
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        let sha256 = self.digest.finish(self.cancelled)?.map_err(|error| {
            DiskError::io("could not read back the output", error).in_file(self.pending.path())
        })?;
        Ok(Some(Finished { pending: self.pending, sha256 }))
    }
}

struct Piece {
    offset: u64,
    len: u64,
    hole: bool,
}

/// The thread that hashes. Stops soon when this is dropped.
struct Behind {
    pieces: Option<Sender<Piece>>,
    result: Receiver<std::io::Result<String>>,
    stop: Arc<AtomicBool>,
}

impl Behind {
    fn start(file: File) -> Self {
        let (pieces, todo) = channel::<Piece>();
        let (done, result) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            // Nobody listens any more if the conversion failed.
            let _ = done.send(hash(&file, &todo, &stopped));
        });
        Self { pieces: Some(pieces), result, stop }
    }

    fn add(&self, piece: Piece) {
        if let Some(pieces) = &self.pieces {
            // A thread that ended early has a reason, which `finish` returns.
            let _ = pieces.send(piece);
        }
    }

    fn finish(mut self, cancelled: &dyn Fn() -> bool) -> Result<std::io::Result<String>, DiskError> {
        self.pieces = None;
        loop {
            match self.result.recv_timeout(ASK_EVERY) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Timeout) if cancelled() => return Err(DiskError::cancelled()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(DiskError::new(
                        super::super::DiskErrorKind::Io,
                        "the thread that hashes panicked",
                    ));
                }
            }
        }
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn hash(file: &File, pieces: &Receiver<Piece>, stop: &AtomicBool) -> std::io::Result<String> {
    let mut digester = Digester::default();
    let zeroes = vec![0; CHUNK as usize];
    let mut bytes = vec![0; CHUNK as usize];
    for piece in pieces {
        let mut at = piece.offset;
        let end = piece.offset + piece.len;
        while at < end {
            if stop.load(Ordering::Relaxed) {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            let len = CHUNK.min(end - at) as usize;
            if piece.hole {
                digester.update(&zeroes[..len]);
            } else {
                file.read_exact_at(&mut bytes[..len], at)?;
                digester.update(&bytes[..len]);
            }
            at += len as u64;
        }
    }
    Ok(digester.finish())
}
