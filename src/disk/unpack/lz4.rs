//! Reads LZ4 files: frames (format 1.6.3), frames of the legacy format, skippable frames, one after the other.
//!
//! The blocks are decoded by `lz4_flex`. Its own frame reader is not used: to it a file that was cut off between two
//! blocks looks complete, and it knows no second frame.
use std::hash::Hasher;
use std::io::{self, BufRead, Read};

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use twox_hash::XxHash32;

const MAGIC: u32 = 0x184d_2204;
const LEGACY_MAGIC: u32 = 0x184c_2102;
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;
/// How far a block may refer back into the ones before it.
const WINDOW: usize = 64 << 10;
/// Every block of a legacy frame but the last holds so much.
const LEGACY_BLOCK: usize = 8 << 20;
/// The bit of a block's length that says that it is stored as it is.
const STORED: u32 = 1 << 31;

/// What comes next.
#[derive(Debug)]
enum State {
    Frame,
    Block(Header),
    LegacyBlock,
    End,
}

/// The header of a frame.
#[derive(Debug)]
struct Header {
    linked: bool,
    block_checksums: bool,
    content_size: Option<u64>,
    /// The digest of the content so far, if the frame ends in one.
    digest: Option<XxHash32>,
    max_block: usize,
    /// Bytes of content so far.
    done: u64,
}

pub(super) struct Lz4<R> {
    input: R,
    state: State,
    packed: Vec<u8>,
    /// The last block, of which `at..` was not read yet.
    block: Vec<u8>,
    at: usize,
    /// What came before it, as far as a block may refer to it.
    window: Vec<u8>,
}

impl<R: BufRead> Lz4<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, state: State::Frame, packed: Vec::new(), block: Vec::new(), at: 0, window: Vec::new() }
    }

    /// Decodes up to the next block that is not empty.
    fn advance(&mut self) -> io::Result<()> {
        self.at = 0;
        self.block.clear();
        while self.block.is_empty() {
            self.state = match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(()),
                State::Frame => self.frame(None)?,
                State::Block(header) => self.block(header)?,
                State::LegacyBlock => self.legacy_block()?,
            };
        }
        Ok(())
    }

    fn at_end(&mut self) -> io::Result<bool> {
        loop {
            match self.input.fill_buf() {
                Ok(rest) => return Ok(rest.is_empty()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the magic, unless it was read already, and the header behind it.
    fn frame(&mut self, magic: Option<u32>) -> io::Result<State> {
        let magic = match magic {
            Some(magic) => magic,
            None if self.at_end()? => return Ok(State::End),
            None => self.u32()?,
        };
        match magic {
            MAGIC => self.header().map(State::Block),
            LEGACY_MAGIC => Ok(State::LegacyBlock),
            magic if SKIPPABLE.contains(&magic) => {
                let len = u64::from(self.u32()?);
                if io::copy(&mut (&mut self.input).take(len), &mut io::sink())? != len {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(State::Frame)
            }
            _ => Err(bad("something that is no LZ4 frame")),
        }
    }

    fn header(&mut self) -> io::Result<Header> {
        let mut bytes = vec![0; 2];
        self.input.read_exact(&mut bytes)?;
        let (flags, sizes) = (bytes[0], bytes[1]);
        let [linked, block_checksums, has_size, has_digest, has_dictionary] =
            [flags & 0x20 == 0, flags & 0x10 != 0, flags & 8 != 0, flags & 4 != 0, flags & 1 != 0];
        if flags >> 6 != 1 || flags & 2 != 0 || sizes & 0x8f != 0 {
            return Err(bad("an LZ4 frame of a version that is not known"));
        }
        if has_dictionary {
            return Err(bad("an LZ4 frame that needs a dictionary"));
        }
        let max_block = match sizes >> 4 {
            size @ 4..=7 => 1 << (8 + 2 * size),
            _ => return Err(bad("an LZ4 block size that does not exist")),
        };
        let mut content_size = None;
        if has_size {
            let mut size = [0; 8];
            self.input.read_exact(&mut size)?;
            bytes.extend_from_slice(&size);
            content_size = Some(u64::from_le_bytes(size));
        }
        let mut check = [0; 1];
        self.input.read_exact(&mut check)?;
        if check[0] != (digest(&bytes) >> 8) as u8 {
            return Err(bad("the checksum of an LZ4 frame's header does not match"));
        }
        self.window.clear();
        let digest = has_digest.then(|| XxHash32::with_seed(0));
        Ok(Header { linked, block_checksums, content_size, digest, max_block, done: 0 })
    }

    fn block(&mut self, mut header: Header) -> io::Result<State> {
        let word = self.u32()?;
        if word == 0 {
            return self.end(&header);
        }
        let len = (word & !STORED) as usize;
        // A block that does not shrink is stored, so none is longer than its content may be.
        if len > header.max_block {
            return Err(bad("an LZ4 block that is too long"));
        }
        self.packed.resize(len, 0);
        self.input.read_exact(&mut self.packed)?;
        if header.block_checksums && self.u32()? != digest(&self.packed) {
            return Err(bad("the checksum of an LZ4 block does not match"));
        }
        if word & STORED == 0 {
            self.unpack(header.max_block)?;
        } else {
            self.block.clone_from(&self.packed);
        }
        if header.linked {
            self.slide();
        }
        header.done += self.block.len() as u64;
        if let Some(digest) = &mut header.digest {
            digest.write(&self.block);
        }
        Ok(State::Block(header))
    }

    /// Checks what the end of a frame says about its content.
    fn end(&mut self, header: &Header) -> io::Result<State> {
        if header.content_size.is_some_and(|size| size != header.done) {
            return Err(bad("an LZ4 frame has not as much content as it says"));
        }
        if let Some(digest) = &header.digest
            && u64::from(self.u32()?) != digest.finish()
        {
            return Err(bad("the checksum of an LZ4 frame's content does not match"));
        }
        Ok(State::Frame)
    }

    /// A legacy frame ends with the file, or where another frame begins.
    fn legacy_block(&mut self) -> io::Result<State> {
        if self.at_end()? {
            return Ok(State::End);
        }
        let len = self.u32()?;
        if len as usize > lz4_flex::block::get_maximum_output_size(LEGACY_BLOCK) {
            return self.frame(Some(len));
        }
        self.window.clear();
        self.packed.resize(len as usize, 0);
        self.input.read_exact(&mut self.packed)?;
        self.unpack(LEGACY_BLOCK)?;
        Ok(State::LegacyBlock)
    }

    fn unpack(&mut self, limit: usize) -> io::Result<()> {
        self.block.resize(limit, 0);
        let len = if self.window.is_empty() {
            decompress_into(&self.packed, &mut self.block)
        } else {
            decompress_into_with_dict(&self.packed, &mut self.block, &self.window)
        }
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.block.truncate(len);
        Ok(())
    }

    /// Makes the end of the last block part of the window.
    fn slide(&mut self) {
        let keep = WINDOW.saturating_sub(self.block.len()).min(self.window.len());
        self.window.drain(..self.window.len() - keep);
        self.window.extend_from_slice(&self.block[self.block.len().saturating_sub(WINDOW)..]);
    }

    fn u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.input.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() {
            self.advance()?;
        }
        let len = buf.len().min(self.block.len() - self.at);
        buf[..len].copy_from_slice(&self.block[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

fn digest(bytes: &[u8]) -> u32 {
    XxHash32::oneshot(0, bytes)
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
