//! raw.xz: one stream of independent blocks of one chunk each, as `xz -T` writes them (The .xz File Format, 1.2).
//!
//! liblzma makes the LZMA2 data of a block; header, checks and index around it are simple and made here, so that the
//! blocks of all workers fit into one stream. Blocks state both their lengths, so `xz -dT0` decompresses in parallel.
use liblzma::stream::{Action, Filters, LzmaOptions, Status, Stream as Lzma};

use super::super::output::{Finished, Stream};
use super::super::{DiskError, Target};
use super::blocks::Deflater;
use super::map::CHUNK;
use super::pipeline::{Chunk, Encode, Payload, Sink};

/// xz's own default.
const LEVEL: u32 = 6;
const MAGIC: &[u8] = b"\xfd7zXZ\0";
const END_MAGIC: &[u8] = b"YZ";
/// Blocks are checked by CRC-32, which every reader knows.
const FLAGS: [u8; 2] = [0, 1];
const CHECK: usize = 4;
/// Filter LZMA2 with one byte of properties: a dictionary of 1 MiB, 2^(16/2 + 12), which is all that a block can use.
const FILTER: [u8; 3] = [0x21, 1, 16];
/// One filter, and both lengths are stated.
const BLOCK_FLAGS: u8 = 0xc0;

/// Length of a block without padding, and of its content.
type Record = (u64, u64);

pub(super) struct XzSink<'a> {
    out: Stream<'a>,
    level: u32,
    /// A chunk of zeroes, compressed.
    zeroes: (Vec<u8>, Record),
    /// Equal neighbours are one entry with a count: holes may be large.
    index: Vec<(Record, u64)>,
}

impl<'a> XzSink<'a> {
    pub(super) fn new(target: &Target, cancelled: &'a (dyn Fn() -> bool + Sync)) -> Result<Self, DiskError> {
        let level = target.level.unwrap_or(LEVEL);
        if level > 9 {
            return Err(DiskError::unsupported(format!("xz level {level} does not exist (0 to 9)"))
                .in_file(&target.path));
        }
        let zeroes = block(&vec![0; CHUNK as usize], level)?;
        let mut out = Stream::create(target, cancelled)?;
        out.append(&[MAGIC, &FLAGS, &crc32fast::hash(&FLAGS).to_le_bytes()].concat())?;
        Ok(Self { out, level, zeroes, index: Vec::new() })
    }

    fn add(&mut self, record: Record, count: u64) {
        match self.index.last_mut() {
            Some((last, times)) if *last == record => *times += count,
            _ => self.index.push((record, count)),
        }
    }
}

impl Sink for XzSink<'_> {
    fn encoder(&self) -> Result<Option<Box<dyn Encode>>, DiskError> {
        Ok(Some(Box::new(Blocks { level: self.level })))
    }

    fn hole(&mut self, _offset: u64, len: u64) -> Result<(), DiskError> {
        let (count, rest) = (len / CHUNK, (len % CHUNK) as usize);
        if count > 0 {
            self.out.repeat(&self.zeroes.0, count)?;
            self.add(self.zeroes.1, count);
        }
        if rest > 0 {
            let (bytes, record) = block(&vec![0; rest], self.level)?;
            self.out.append(&bytes)?;
            self.add(record, 1);
        }
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk, payload: Payload) -> Result<(), DiskError> {
        let Payload::Indexed { bytes, len } = payload else { return Err(super::misrouted()) };
        self.out.append(&bytes)?;
        self.add((len, chunk.bytes.len() as u64), 1);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        let mut index = vec![0];
        number(&mut index, self.index.iter().map(|(_, count)| count).sum());
        for ((unpadded, content), count) in &self.index {
            for _ in 0..*count {
                number(&mut index, *unpadded);
                number(&mut index, *content);
            }
        }
        index.resize(index.len().next_multiple_of(4), 0);
        index.extend_from_slice(&crc32fast::hash(&index).to_le_bytes());
        let backward = u32::try_from(index.len() / 4 - 1)
            .map_err(|error| DiskError::unsupported("the disk is too large for xz").because(error))?;
        let footer = [&backward.to_le_bytes()[..], &FLAGS].concat();
        self.out.append(&index)?;
        self.out.append(&crc32fast::hash(&footer).to_le_bytes())?;
        self.out.append(&footer)?;
        self.out.append(END_MAGIC)?;
        Ok(Some(self.out.finish()))
    }
}

struct Blocks {
    level: u32,
}

impl Encode for Blocks {
    fn encode(&mut self, chunk: &Chunk, _deflater: &mut Deflater) -> Result<Payload, DiskError> {
        let (bytes, (len, _)) = block(&chunk.bytes, self.level)?;
        Ok(Payload::Indexed { bytes, len })
    }
}

fn block(bytes: &[u8], level: u32) -> Result<(Vec<u8>, Record), DiskError> {
    let data = lzma2(bytes, level)
        .map_err(|error| DiskError::corrupt("could not compress a block").because(error))?;
    let mut out = vec![0, BLOCK_FLAGS];
    number(&mut out, data.len() as u64);
    number(&mut out, bytes.len() as u64);
    out.extend_from_slice(&FILTER);
    out.resize(out.len().next_multiple_of(4), 0);
    // The header's length in words, without its first one.
    out[0] = (out.len() / 4) as u8;
    out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
    out.extend_from_slice(&data);
    let unpadded = out.len() + CHECK;
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    Ok((out, (unpadded as u64, bytes.len() as u64)))
}

/// Seven bits a byte, the lowest first.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn lzma2(bytes: &[u8], level: u32) -> Result<Vec<u8>, liblzma::stream::Error> {
    let mut options = LzmaOptions::new_preset(level)?;
    options.dict_size(CHUNK as u32);
    let mut lzma = Lzma::new_raw_encoder(Filters::new().lzma2(&options))?;
    // LZMA2 stores what does not shrink, with 3 bytes for each 64 KiB.
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 1024 + 64);
    loop {
        let given = lzma.total_in() as usize;
        if lzma.process_vec(&bytes[given..], &mut out, Action::Finish)? == Status::StreamEnd {
            return Ok(out);
        }
        out.reserve(64 << 10);
    }
}
