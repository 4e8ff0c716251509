//! Streams out of compressed files: gzip, xz, zstd, lz4, bzip2, each of any number of parts.
//!
//! What is cut off, does not match its checksum, or is followed by something else is an error, never a shorter disk.
//! Memory is bounded whatever the file asks for.
mod lz4;

use std::io::{self, BufRead, Read};

use super::{DiskError, Packing};

/// Ample for `xz -9` (65 MiB), and a bound for what a file can make us allocate.
const XZ_MEMORY: u64 = 512 << 20;
/// Ample for `zstd --ultra -22` (128 MiB).
const ZSTD_WINDOW_LOG: u32 = 27;

/// What `input` holds, unpacked.
pub(super) fn reader<'a>(
    packing: Packing,
    input: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match packing {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Packing::Xz => {
            let stream =
                liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Packing::Lz4 => Box::new(lz4::Lz4::new(input)),
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
    })
}

/// An error of such a reader. What does not come from the operating system comes from a decoder: the file is at fault.
pub(super) fn error(error: io::Error) -> DiskError {
    let what = "could not decompress";
    if error.raw_os_error().is_none() {
        DiskError::corrupt(what).because(error)
    } else {
        DiskError::io(what, error)
    }
}

/// Reads until `buffer` is full or the input ends, so that blocks stay aligned.
pub(super) fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match reader.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}
