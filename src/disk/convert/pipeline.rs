//! Threads of a conversion: workers that take items, sinks that get them back in order, and what they share.
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;

use super::super::output::Finished;
use super::super::{DiskError, DiskRead, Progress, Target};
use super::ConvertOptions;
use super::blocks::Deflater;
use super::map::{CHUNK, Item, Map, Plan, Range};
use super::scan::Scanner;

/// Each worker has compressors of its own, about a megabyte for each output.
const MAX_THREADS: usize = 32;
/// What items on their way may take in total, in bytes. With the compressors it stays well below 256 MiB.
const IN_FLIGHT: u64 = 96 << 20;

/// A chunk with data in it, as read.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
    /// What of it is data; the rest is zeroes.
    pub(crate) ranges: Vec<Range>,
    /// How many sinks have still to take it.
    pending: AtomicUsize,
}

impl Chunk {
    fn data_bytes(&self) -> u64 {
        self.ranges.iter().map(|range| u64::from(range.end - range.start)).sum()
    }
}

/// What an encoder made of a chunk for its sink.
#[derive(Debug)]
pub(crate) enum Payload {
    /// The sink wants the chunk as it is.
    Chunk,
    /// Bytes to append.
    Bytes(Vec<u8>),
    /// Bytes to append, and the length of them that an index states.
    Indexed { bytes: Vec<u8>, len: u64 },
    /// Compressed clusters one after the other: their index within the chunk and their length, 0 for one that is to be
    /// stored as it is.
    Clusters { bytes: Vec<u8>, lengths: Vec<(u64, u32)> },
    /// SHA-256 of blocks, by their number within the chunk.
    Digests(Vec<(u32, [u8; 32])>),
}

/// The part of an output that runs in the workers, one for each of them.
pub(crate) trait Encode: Send {
    /// `deflater` compresses blocks once for all outputs that ask it for the same level.
    fn encode(&mut self, chunk: &Chunk, deflater: &mut Deflater) -> Result<Payload, DiskError>;
}

/// The part of an output that sees the whole disk in order, in a thread of its own.
pub(crate) trait Sink: Send {
    fn encoder(&self) -> Result<Option<Box<dyn Encode>>, DiskError> {
        Ok(None)
    }
    fn hole(&mut self, offset: u64, len: u64) -> Result<(), DiskError>;
    fn chunk(&mut self, chunk: &Chunk, payload: Payload) -> Result<(), DiskError>;
    /// Called once, after the last item, unless something failed.
    fn finish(self: Box<Self>) -> Result<Option<Finished>, DiskError>;
}

enum Work {
    Hole { offset: u64, len: u64 },
    Chunk(Arc<Chunk>, Payload),
}

type Numbered = (u64, Work);
type Encoders = Vec<Option<Box<dyn Encode>>>;

/// A source that is read once, from front to end, by whichever worker is free.
pub(super) trait Once: Send {
    /// The next item, and the bytes of a chunk with data in it.
    fn next(&mut self) -> Result<Option<(Item, Vec<u8>)>, DiskError>;
}

/// Everything the threads share.
struct Shared<'a> {
    /// Locked before the state.
    once: Option<Mutex<&'a mut (dyn Once + 'a)>>,
    state: Mutex<State<'a>>,
    changed: Condvar,
    done: Mutex<u64>,
    total: u64,
    options: &'a ConvertOptions<'a>,
}

struct State<'a> {
    map: Map<'a>,
    /// Number of the next item to hand out.
    next: u64,
    /// How many items each sink has dealt with.
    completed: Vec<u64>,
    /// How far the workers may run ahead of the slowest sink, in items.
    window: u64,
    over: bool,
    error: Option<DiskError>,
}

impl<'a> Shared<'a> {
    fn state(&self) -> MutexGuard<'_, State<'a>> {
        // A panicking thread fails the whole conversion through its alarm; the state itself stays sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next item, as soon as the slowest sink is near enough; `None` at the end or after a failure. The bytes of a
    /// source that is read once come with it.
    fn take(&self) -> Option<(u64, Item, Vec<u8>)> {
        // Held until the bytes are read, so that numbers and bytes are of one order.
        let mut once = self.once.as_ref().map(|once| once.lock().unwrap_or_else(PoisonError::into_inner));
        let mut state = self.state();
        loop {
            if state.over {
                return None;
            }
            if (self.options.cancelled)() {
                drop(state);
                self.fail(DiskError::cancelled());
                return None;
            }
            let slowest = state.completed.iter().copied().min().unwrap_or(state.next);
            if state.next < slowest + state.window {
                break;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let number = state.next;
        state.next += 1;
        let next = match &mut once {
            None => {
                let next = state.map.next().map(|item| item.map(|item| (item, Vec::new())));
                drop(state);
                next
            }
            Some(once) => {
                // Reading takes its time, and the sinks need the state meanwhile.
                drop(state);
                once.next()
            }
        };
        match next {
            Ok(Some((item, bytes))) => Some((number, item, bytes)),
            Ok(None) => {
                self.state().over = true;
                self.changed.notify_all();
                None
            }
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// Ends the conversion; the first failure is the one that is reported.
    fn fail(&self, error: DiskError) {
        let mut state = self.state();
        state.over = true;
        state.error.get_or_insert(error);
        self.changed.notify_all();
    }

    fn failed(&self) -> bool {
        self.state().error.is_some()
    }

    fn completed(&self, sink: usize, items: u64) {
        self.state().completed[sink] = items;
        self.changed.notify_all();
    }

    fn progress(&self, bytes: u64) {
        // Held while reporting, so that reports arrive in order.
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += bytes;
        (self.options.progress)(Progress { done: *done, total: self.total });
    }
}

/// Ends the conversion if its thread panics: the others would wait for its item for ever.
struct Alarm<'s, 'a>(&'s Shared<'a>);

impl Drop for Alarm<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0
                .fail(DiskError::new(super::super::DiskErrorKind::Io, "a thread of the conversion panicked"));
        }
    }
}

/// Runs the conversion; returns the files that the sinks finished, in the order of the sinks. With `once`, `src` is not
/// read.
pub(super) fn run<'a>(
    src: &'a dyn DiskRead,
    once: Option<&'a mut (dyn Once + 'a)>,
    targets: &[Target],
    sinks: Vec<Box<dyn Sink + 'a>>,
    scanner: &Scanner,
    plan: &Plan,
    options: &'a ConvertOptions<'a>,
) -> Result<Vec<Finished>, DiskError> {
    let threads = options.threads.clamp(1, MAX_THREADS);
    // An item holds its chunk and at most as much again for each output.
    let fits = IN_FLIGHT / (CHUNK * (1 + targets.len() as u64));
    let shared = Shared {
        once: once.map(Mutex::new),
        state: Mutex::new(State {
            map: Map::new(src),
            next: 0,
            completed: vec![0; sinks.len()],
            window: (2 * threads as u64 + 4).min(fits).max(2),
            over: false,
            error: None,
        }),
        changed: Condvar::new(),
        done: Mutex::new(0),
        total: plan.data_bytes,
        options,
    };
    let encoders = (0..threads)
        .map(|_| sinks.iter().map(|sink| sink.encoder()).collect())
        .collect::<Result<Vec<Encoders>, DiskError>>()?;
    let shared_ref = &shared;
    let finished = thread::scope(|scope| {
        let mut senders = Vec::new();
        let mut drivers = Vec::new();
        for (index, sink) in sinks.into_iter().enumerate() {
            let (sender, receiver) = channel();
            senders.push(sender);
            drivers.push(scope.spawn(move || {
                let _alarm = Alarm(shared_ref);
                drive(sink, index, &receiver, shared_ref)
            }));
        }
        for encoders in encoders {
            let senders = senders.clone();
            scope.spawn(move || {
                let _alarm = Alarm(shared_ref);
                if let Err(error) = work(src, shared_ref, encoders, &senders, scanner) {
                    shared_ref.fail(error);
                }
            });
        }
        // The sinks end when the last worker's senders are gone.
        drop(senders);
        let joined: Vec<_> = drivers.into_iter().map(|driver| driver.join()).collect();
        joined.into_iter().filter_map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    match shared.state.into_inner().unwrap_or_else(PoisonError::into_inner).error {
        Some(error) => Err(error),
        None => Ok(finished),
    }
}

fn work(
    src: &dyn DiskRead,
    shared: &Shared<'_>,
    mut encoders: Encoders,
    sinks: &[Sender<Numbered>],
    scanner: &Scanner,
) -> Result<(), DiskError> {
    let mut deflater = Deflater::default();
    while let Some((number, item, mut bytes)) = shared.take() {
        let (offset, len, ranges) = match item {
            Item::Hole { offset, len } => {
                for sink in sinks {
                    // A sink that is gone has failed, and said so.
                    let _ = sink.send((number, Work::Hole { offset, len }));
                }
                continue;
            }
            Item::Data { offset, len, ranges } => (offset, len, ranges),
        };
        if bytes.is_empty() {
            bytes = vec![0; len as usize];
            for range in &ranges {
                let (start, end) = (range.start as usize, range.end as usize);
                src.read_at(&mut bytes[start..end], offset + u64::from(range.start))?;
            }
        }
        scanner.chunk(&bytes, offset);
        let chunk =
            Arc::new(Chunk { offset, bytes: bytes.into(), ranges, pending: AtomicUsize::new(sinks.len()) });
        if sinks.is_empty() {
            shared.progress(chunk.data_bytes());
        }
        for (sink, encoder) in sinks.iter().zip(&mut encoders) {
            let payload = match encoder {
                Some(encoder) => encoder.encode(&chunk, &mut deflater)?,
                None => Payload::Chunk,
            };
            let _ = sink.send((number, Work::Chunk(Arc::clone(&chunk), payload)));
        }
    }
    Ok(())
}

/// Feeds a sink in order. On failure the sink is dropped, and its file with it.
fn drive(
    mut sink: Box<dyn Sink + '_>,
    index: usize,
    items: &Receiver<Numbered>,
    shared: &Shared<'_>,
) -> Option<Finished> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, work) in items {
        early.insert(number, work);
        while let Some(work) = early.remove(&next) {
            if shared.failed() {
                return None;
            }
            let result = match work {
                Work::Hole { offset, len } => sink.hole(offset, len),
                Work::Chunk(chunk, payload) => sink.chunk(&chunk, payload).map(|()| {
                    if chunk.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
                        shared.progress(chunk.data_bytes());
                    }
                }),
            };
            if let Err(error) = result {
                shared.fail(error);
                return None;
            }
            next += 1;
            shared.completed(index, next);
        }
    }
    if shared.failed() {
        return None;
    }
    sink.finish().unwrap_or_else(|error| {
        shared.fail(error);
        None
    })
}
