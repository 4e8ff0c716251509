//! raw, and the fixed VHD, which is raw with a footer: holes are not written, so they are holes of the file.
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

use super::super::output::{Digester, Digests, Finished, Pending, Stream};
use super::super::{DiskError, Target};
use super::map::CHUNK;
use super::pipeline::{Chunk, Payload, Sink};

/// How often the wait for the digest asks whether it should stop.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// The sink for the bytes of the disk with `footer` after them; `size` is where the footer begins.
pub(super) fn sink<'a>(
    target: &Target,
    size: u64,
    footer: Vec<u8>,
    cancelled: &'a (dyn Fn() -> bool + Sync),
) -> Result<Box<dyn Sink + 'a>, DiskError> {
    if target.level.is_some() {
        return Err(DiskError::unsupported(format!("{} has no compression level", target.format))
            .in_file(&target.path));
    }
    Ok(if target.stream.is_some() {
        let out = Stream::create(target, cancelled)?;
        Box::new(StreamSink { out, size, footer, zeroes: vec![0; CHUNK as usize] })
    } else {
        Box::new(RawSink::new(target, size, footer, cancelled)?)
    })
}

struct RawSink<'a> {
    pending: Pending,
    digest: Behind,
    /// Up to where the digest thread knows what there is.
    end: u64,
    size: u64,
    footer: Vec<u8>,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> RawSink<'a> {
    fn new(
        target: &Target,
        size: u64,
        footer: Vec<u8>,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self, DiskError> {
        let pending = Pending::create(&target.path)?;
        pending.file().set_len(size).map_err(|error| pending.error(error))?;
        let file = pending.file().try_clone().map_err(|error| pending.error(error))?;
        let digest = Behind::start(file, Digester::for_target(target));
        Ok(Self { pending, digest, end: 0, size, footer, cancelled })
    }

    /// Makes the file reach to `end`. A source that is read once told only how much there is at least.
    fn reach(&mut self, end: u64) -> Result<(), DiskError> {
        self.end = end;
        if end > self.size {
            self.size = end;
            self.pending.file().set_len(end).map_err(|error| self.pending.error(error))?;
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), DiskError> {
        self.pending.file().write_all_at(bytes, at).map_err(|error| self.pending.error(error).at(at))
    }
}

impl Sink for RawSink<'_> {
    fn hole(&mut self, offset: u64, len: u64) -> Result<(), DiskError> {
        self.reach(offset + len)?;
        self.digest.add(Piece { offset, len, hole: true });
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk, _payload: Payload) -> Result<(), DiskError> {
        for range in &chunk.ranges {
            let bytes = &chunk.bytes[range.start as usize..range.end as usize];
            self.write(bytes, chunk.offset + u64::from(range.start))?;
        }
        self.reach(chunk.offset + chunk.bytes.len() as u64)?;
        self.digest.add(Piece { offset: chunk.offset, len: chunk.bytes.len() as u64, hole: false });
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        self.write(&self.footer, self.size)?;
        let rest = Piece { offset: self.end, len: self.size - self.end, hole: true };
        let footer = Piece { offset: self.size, len: self.footer.len() as u64, hole: false };
        self.digest.add(rest);
        self.digest.add(footer);
        let digests = self.digest.finish(self.cancelled)?.map_err(|error| {
            DiskError::io("could not read back the output", error).in_file(self.pending.path())
        })?;
        Ok(Some(Finished::file(self.pending, digests)))
    }
}

/// A stream has no holes: their zeroes are written.
struct StreamSink<'a> {
    out: Stream<'a>,
    size: u64,
    footer: Vec<u8>,
    zeroes: Vec<u8>,
}

impl Sink for StreamSink<'_> {
    fn hole(&mut self, _offset: u64, mut len: u64) -> Result<(), DiskError> {
        while len > 0 {
            let now = len.min(CHUNK);
            self.out.append(&self.zeroes[..now as usize])?;
            len -= now;
        }
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk, _payload: Payload) -> Result<(), DiskError> {
        self.out.append(&chunk.bytes)
    }

    fn finish(mut self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        let written = self.out.written();
        self.hole(written, self.size.saturating_sub(written))?;
        self.out.append(&self.footer)?;
        Ok(Some(self.out.finish()))
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
    result: Receiver<std::io::Result<Digests>>,
    stop: Arc<AtomicBool>,
}

impl Behind {
    fn start(file: File, digester: Digester) -> Self {
        let (pieces, todo) = channel::<Piece>();
        let (done, result) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            // Nobody listens any more if the conversion failed.
            let _ = done.send(hash(&file, digester, &todo, &stopped));
        });
        Self { pieces: Some(pieces), result, stop }
    }

    fn add(&self, piece: Piece) {
        if let Some(pieces) = &self.pieces {
            // A thread that ended early has a reason, which `finish` returns.
            let _ = pieces.send(piece);
        }
    }

    fn finish(&mut self, cancelled: &dyn Fn() -> bool) -> Result<std::io::Result<Digests>, DiskError> {
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

fn hash(
    file: &File,
    mut digester: Digester,
    pieces: &Receiver<Piece>,
    stop: &AtomicBool,
) -> std::io::Result<Digests> {
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
