//! What becomes of the bytes that a command prints.
use super::{LineSink, command::last_lines, launch::Lines};
use crate::cx::Stream;
use async_trait::async_trait;
use std::io;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Of a transfer's complaints, this much is kept.
pub(super) const COMPLAINT: usize = 4096;

/// Takes the output of a command, byte for byte.
#[async_trait]
pub(super) trait Take {
    async fn take(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;

    async fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands out lines.
pub(super) struct ByLine<'a> {
    out: LineSink<'a>,
    stdout: Lines,
    stderr: Lines,
}

impl<'a> ByLine<'a> {
    pub(super) fn new(out: LineSink<'a>) -> Self {
        Self { out, stdout: Lines::default(), stderr: Lines::default() }
    }
}

#[async_trait]
impl Take for ByLine<'_> {
    async fn take(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let lines = if stream == Stream::Stderr { &mut self.stderr } else { &mut self.stdout };
        lines.push(stream, bytes, self.out);
        Ok(())
    }

    async fn end(&mut self) -> io::Result<()> {
        self.stdout.finish(Stream::Stdout, self.out);
        self.stderr.finish(Stream::Stderr, self.out);
        Ok(())
    }
}

/// Writes standard output somewhere and keeps the start of standard error.
pub(super) struct IntoWriter<'a> {
    to: &'a mut (dyn AsyncWrite + Send + Unpin),
    pub(super) bytes: u64,
    complaint: String,
}

impl<'a> IntoWriter<'a> {
    pub(super) fn new(to: &'a mut (dyn AsyncWrite + Send + Unpin)) -> Self {
        Self { to, bytes: 0, complaint: String::new() }
    }

    /// What it complained about, in one line.
    pub(super) fn said(&self) -> String {
        last_lines(&self.complaint, 5)
    }
}

#[async_trait]
impl Take for IntoWriter<'_> {
    async fn take(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if stream == Stream::Stderr {
            if self.complaint.len() < COMPLAINT {
                self.complaint.push_str(&String::from_utf8_lossy(bytes));
            }
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        self.to.write_all(bytes).await
    }

    async fn end(&mut self) -> io::Result<()> {
        self.to.flush().await
    }
}
