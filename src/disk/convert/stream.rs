//! Conversion of a disk that can be read only once: no map, and no size before the end.
use super::super::decompress::written_runs;
use super::super::output;
use super::super::stream::{RawStream, Zeroes};
use super::super::{DiskError, DiskRead, Extent, ExtentKind, OutputFormat, Progress, Target};
use super::map::{CHUNK, Item, Plan, Range};
use super::pipeline::Once;
use super::{ConvertOptions, Converted, pipeline, refuse_clashes, scan, sink};
use std::path::PathBuf;

impl OutputFormat {
    /// Whether it can be written by [`convert_stream`]: from front to end, by who does not know the size of the disk.
    pub fn takes_streams(self) -> bool {
        matches!(self, Self::Raw | Self::RawGz | Self::RawZst | Self::RawXz | Self::RawLz4)
    }
}

/// As [`super::convert`], for a source that is read once, into formats that need nothing more ([`OutputFormat::takes_streams`]).
/// Progress counts bytes of the input; a total of 0 is not known.
pub fn convert_stream(
    stream: &mut RawStream<'_>,
    targets: &[Target],
    options: &ConvertOptions<'_>,
) -> Result<Converted, DiskError> {
    if let Some(target) = targets.iter().find(|target| !target.format.takes_streams()) {
        return Err(DiskError::unsupported(format!(
            "{} cannot be written from a source that is read only once",
            target.format
        ))
        .in_file(&target.path));
    }
    // Sinks want to know whether there is anything at all.
    let begun = Beginning { size: stream.begin(CHUNK as usize)?, files: vec![stream.name().to_path_buf()] };
    refuse_clashes(&begun, targets)?;
    let scanner = scan::Scanner::new(options.needles)?;
    let plan = Plan::default();
    let mut sinks = Vec::new();
    for target in targets {
        sinks.push(sink(target, &begun, &plan, options.cancelled)?);
    }
    if let Some(borders) = scanner.borders() {
        sinks.push(Box::new(borders));
    }
    let input = stream.reporter();
    let report = |_: Progress| (options.progress)(input());
    let reported = ConvertOptions { progress: &report, ..*options };
    let mut feed = Feed { stream, at: 0, data_bytes: 0 };
    let finished = pipeline::run(&begun, Some(&mut feed), targets, sinks, &scanner, &plan, &reported)?;
    let (size, data_bytes) = (feed.at, feed.data_bytes);
    if (options.cancelled)() {
        return Err(DiskError::cancelled());
    }
    let outputs = output::commit(finished, targets, size)?;
    Ok(Converted { outputs, found: scanner.found(options.needles), data_bytes })
}

/// Hands out a stream as items of a conversion.
struct Feed<'s, 'r> {
    stream: &'s mut RawStream<'r>,
    at: u64,
    data_bytes: u64,
}

impl Once for Feed<'_, '_> {
    fn next(&mut self) -> Result<Option<(Item, Vec<u8>)>, DiskError> {
        let Some(bytes) = self.stream.next(CHUNK as usize)? else { return Ok(None) };
        let (offset, len) = (self.at, bytes.len() as u64);
        self.at += len;
        let ranges = match self.stream.zeroes() {
            Zeroes::Data => vec![Range { start: 0, end: len as u32 }],
            Zeroes::Holes => written_runs(&bytes)
                .into_iter()
                .map(|run| Range { start: run.start as u32, end: run.end as u32 })
                .collect(),
        };
        if ranges.is_empty() {
            return Ok(Some((Item::Hole { offset, len }, Vec::new())));
        }
        self.data_bytes += ranges.iter().map(|range| u64::from(range.end - range.start)).sum::<u64>();
        Ok(Some((Item::Data { offset, len, ranges }, bytes)))
    }
}

/// What is known of the disk when its sinks are made: that it is at least so large.
#[derive(Debug)]
struct Beginning {
    size: u64,
    files: Vec<PathBuf>,
}

impl DiskRead for Beginning {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, _buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        Err(DiskError::unsupported("a stream cannot be read here and there").at(offset))
    }

    fn extent_at(&self, offset: u64) -> Result<Extent, DiskError> {
        Ok(Extent { len: self.size - offset, kind: ExtentKind::Data })
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }
}
