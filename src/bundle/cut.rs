//! Where a file is cut: places that its content decides, so that equal stretches of two files become equal chunks wherever they lie.
//!
//! A rolling hash (Gear) runs over the bytes, and a cut is where its upper bits are zero. Up to the usual length of a chunk more bits must be
//! zero than after it, which keeps lengths near it (normalised chunking, as FastCDC does). Readers need none of this: the index tells the chunks.
use sha2::{Digest as _, Sha256};
use std::{
    io::{self, Read},
    sync::OnceLock,
};

/// No chunk is shorter, but the last one of a file.
const SHORTEST: usize = 32 << 10;
/// What most chunks are near to.
const USUAL: usize = 128 << 10;
/// No chunk is longer.
pub(super) const LONGEST: usize = 512 << 10;

/// Zero in the hash where a chunk that is still short ends.
const STRICT: u64 = !0 << (64 - 19);
/// And where one ends that is long enough.
const LAX: u64 = !0 << (64 - 15);

/// A number for each byte: the first eight of SHA-256 of the byte after a word of ours.
fn gear() -> &'static [u64; 256] {
    static TABLE: OnceLock<[u64; 256]> = OnceLock::new();
    TABLE.get_or_init(|| {
        std::array::from_fn(|byte| {
            let hash = Sha256::new().chain_update(b"goldsmith bundle").chain_update([byte as u8]).finalize();
            hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
        })
    })
}

/// The length of the first chunk of `bytes`; all of it if no cut is in it.
fn first(bytes: &[u8]) -> usize {
    let gear = gear();
    let end = bytes.len().min(LONGEST);
    let mut hash = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(end).skip(SHORTEST) {
        hash = (hash << 1).wrapping_add(gear[usize::from(*byte)]);
        if hash & (if at < USUAL { STRICT } else { LAX }) == 0 {
            return at;
        }
    }
    end
}

/// The chunks of what `source` gives, one after the other.
pub(super) struct Cutter<R> {
    source: R,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl<R: Read> Cutter<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, buffer: vec![0; 2 * LONGEST], from: 0, to: 0 }
    }

    /// The next chunk; nothing at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if self.to - self.from < LONGEST {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            while self.to < self.buffer.len() {
                match self.source.read(&mut self.buffer[self.to..]) {
                    Ok(0) => break,
                    Ok(n) => self.to += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if self.from == self.to {
            return Ok(None);
        }
        let length = first(&self.buffer[self.from..self.to]);
        self.from += length;
        Ok(Some(&self.buffer[self.from - length..self.from]))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Bytes without any pattern, the same ones for each seed.
    pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    fn chunks(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::new(bytes);
        let mut chunks = Vec::new();
        while let Some(chunk) = cutter.next().unwrap() {
            chunks.push(chunk.to_vec());
        }
        chunks
    }

    #[test]
    fn chunks_are_the_whole_and_of_the_lengths_that_are_said() {
        let bytes = noise(1, 8 << 20);
        let chunks = chunks(&bytes);
        assert_eq!(chunks.concat(), bytes);
        let (_, full) = chunks.split_last().unwrap();
        assert!(full.iter().all(|chunk| (SHORTEST..=LONGEST).contains(&chunk.len())));
        let mean = bytes.len() / chunks.len();
        assert!((USUAL / 2..USUAL * 2).contains(&mean), "{mean}");
        assert!(super::tests::chunks(&[]).is_empty());
        assert_eq!(super::tests::chunks(b"a"), [b"a"]);
        // Zeroes have no place of their own.
        assert!(super::tests::chunks(&vec![0; 3 * LONGEST]).iter().all(|chunk| chunk.len() >= SHORTEST));
    }

    #[test]
    fn what_is_put_into_the_middle_changes_the_chunks_around_it_only() {
        let bytes = noise(2, 8 << 20);
        let mut changed = bytes.clone();
        changed.splice(3_000_000..3_000_000, *b"some bytes more");
        let (before, after) = (chunks(&bytes), chunks(&changed));
        let new = after.iter().filter(|chunk| !before.contains(chunk)).count();
        assert!(new <= 3, "{new} of {}", after.len());
    }

    #[test]
    fn how_the_bytes_arrive_does_not_matter() {
        struct Drops<'a>(&'a [u8]);
        impl Read for Drops<'_> {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                let n = self.0.len().min(to.len()).min(4999);
                to[..n].copy_from_slice(&self.0[..n]);
                self.0 = &self.0[n..];
                Ok(n)
            }
        }
        let bytes = noise(3, 2 << 20);
        let mut cutter = Cutter::new(Drops(&bytes));
        for chunk in chunks(&bytes) {
            assert_eq!(cutter.next().unwrap(), Some(chunk.as_slice()));
        }
    }
}
