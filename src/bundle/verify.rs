//! Looks at every byte of bundles: chunks, files, digests.
use super::Bundles;
use crate::value::Digest;
use serde::Serialize;
use std::io::{self, Read as _};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// Files that were read to their ends.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Chunks of no file, which were looked at alone.
    pub spare: usize,
    /// What is wrong; nothing if all is well.
    pub damaged: Vec<Damage>,
}

/// Something that is not what the index says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Damage {
    /// The file, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Its addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// What is wrong with it.
    pub why: String,
}

/// Reads all that is in `bundles`. Damage does not end it, but `passed` may; it is told how many bytes of the files were read.
pub fn verify(bundles: &Bundles, passed: &mut dyn FnMut(u64) -> io::Result<()>) -> io::Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut buffer = vec![0; 256 << 10];
    let mut done = 0;
    for bundle in bundles.all() {
        let mut used = vec![false; bundle.index.chunks.len()];
        for entry in &bundle.index.files {
            for (first, count) in &entry.chunks {
                used[*first as usize..(*first + *count) as usize].fill(true);
            }
            let mut whole = || -> io::Result<Result<(), io::Error>> {
                let mut pieces = match bundles.read_of(bundle, entry) {
                    Ok(pieces) => pieces,
                    Err(error) => return Ok(Err(error)),
                };
                let begun = done;
                loop {
                    match pieces.read(&mut buffer) {
                        Ok(0) => return Ok(Ok(())),
                        Ok(n) => {
                            done += n as u64;
                            passed(done)?;
                        }
                        Err(error) => {
                            // What is left of it counts as passed over.
                            done = begun + entry.card.bytes;
                            return Ok(Err(error));
                        }
                    }
                }
            };
            match whole()? {
                Ok(()) => {
                    verdict.files += 1;
                    verdict.bytes += entry.card.bytes;
                }
                Err(error) => verdict.damaged.push(Damage {
                    sha256: Some(entry.card.sha256.clone()),
                    urls: entry.card.urls.iter().map(ToString::to_string).collect(),
                    why: error.to_string(),
                }),
            }
        }
        for (number, _) in used.iter().enumerate().filter(|(_, used)| !**used) {
            if bundle.index.chunks[number].stored == 0 {
                continue;
            }
            verdict.spare += 1;
            if let Err(error) = bundle.chunk(number as u32) {
                verdict.damaged.push(Damage { sha256: None, urls: Vec::new(), why: error.to_string() });
            }
            passed(done)?;
        }
    }
    Ok(verdict)
}
