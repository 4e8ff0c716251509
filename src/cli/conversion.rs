//! What a conversion made, for people and for machines.
//!
//! ```text
//! ✓ disk.qcow2 in 12 s · qcow2 · 8 GiB virtual · 1.5 GiB of data · 128 MiB/s
//!
//!   output   disk.raw.gz
//!            raw.gz · 512 MiB on disk · 34 % of the data · sha256 3f2a9c41b7d0e5a1…
//! ```
use super::theme::{Theme, Tone, pad};
use crate::{
    disk::{Converted, Format, OutputFormat, Packing},
    value::{HumanDuration, Size},
};
use serde::Serialize;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// Columns of the labels on the left.
const LABEL: usize = 9;
/// Digits of a digest that tell files apart at a glance; the whole one is in the file beside.
const DIGEST: usize = 16;

/// The last line of `convert --json`.
#[derive(Debug, Serialize)]
pub(super) struct Conversion {
    /// `converted`
    pub(super) event: &'static str,
    pub(super) input: PathBuf,
    pub(super) input_format: Format,
    /// How the file around it is compressed.
    pub(super) input_packing: Option<Packing>,
    pub(super) virtual_bytes: u64,
    pub(super) data_bytes: u64,
    pub(super) seconds: HumanDuration,
    pub(super) outputs: Vec<Output>,
}

/// One output.
#[derive(Debug, Serialize)]
pub(super) struct Output {
    pub(super) path: PathBuf,
    pub(super) format: OutputFormat,
    pub(super) file_bytes: u64,
    pub(super) allocated_bytes: u64,
    /// What it takes on disk, as a part of the data; nothing for a disk without data.
    pub(super) ratio: Option<f64>,
    pub(super) sha256: String,
    pub(super) sha512: Option<String>,
}

impl Conversion {
    pub(super) fn new(
        input: PathBuf,
        input_format: Format,
        input_packing: Option<Packing>,
        converted: Converted,
        took: Duration,
    ) -> Self {
        let data_bytes = converted.data_bytes;
        let virtual_bytes = converted.outputs.first().map_or(0, |output| output.virtual_bytes);
        let outputs = converted
            .outputs
            .into_iter()
            .map(|output| {
                let on_disk = output.allocated_bytes.min(output.file_bytes);
                // Four digits: a ratio is no measurement.
                let ratio = (on_disk as f64 / data_bytes as f64 * 10_000.0).round() / 10_000.0;
                Output {
                    path: output.path,
                    format: output.format,
                    file_bytes: output.file_bytes,
                    allocated_bytes: output.allocated_bytes,
                    ratio: (data_bytes > 0).then_some(ratio),
                    sha256: output.sha256,
                    sha512: output.sha512,
                }
            })
            .collect();
        let seconds = took.into();
        let event = "converted";
        Self { event, input, input_format, input_packing, virtual_bytes, data_bytes, seconds, outputs }
    }
}

/// For people.
pub(super) fn summary(theme: &Theme, done: &Conversion) -> String {
    let dot = theme.paint(Tone::Dim, format!(" {} ", theme.symbols().dot));
    let seconds = done.seconds.get().as_secs_f64().max(0.001);
    let packing = done.input_packing.map(|packing| format!(" in {packing}")).unwrap_or_default();
    let facts = [
        format!("{}{packing}", done.input_format),
        format!("{} virtual", Size::bytes(done.virtual_bytes)),
        format!("{} of data", Size::bytes(done.data_bytes)),
        format!("{}/s", Size::bytes((done.data_bytes as f64 / seconds) as u64)),
    ];
    let mut text = format!(
        "{} {} in {}{dot}{}\n",
        theme.mark(true),
        theme.paint(Tone::Strong, name(theme, &done.input, "stdin")),
        theme.paint(Tone::Strong, done.seconds.to_string()),
        facts.join(&dot),
    );
    let mut row = |label: &str, value: &str| {
        let label = pad(&theme.paint(Tone::Dim, label), LABEL);
        let _ = writeln!(text, "{}", format!("  {label}{value}").trim_end());
    };
    for output in &done.outputs {
        row("", "");
        row("output", &theme.paint(Tone::Strong, name(theme, &output.path, "stdout")));
        let size = if output.allocated_bytes < output.file_bytes {
            format!("{} on disk (sparse)", Size::bytes(output.allocated_bytes))
        } else {
            format!("{} on disk", Size::bytes(output.file_bytes))
        };
        let mut facts = vec![output.format.to_string(), size];
        if let Some(ratio) = output.ratio {
            facts.push(format!("{:.0} % of the data", ratio * 100.0));
        }
        let ellipsis = theme.symbols().ellipsis;
        let short = |digest: &str| format!("{}{ellipsis}", digest.get(..DIGEST).unwrap_or(digest));
        facts.push(format!("sha256 {}", short(&output.sha256)));
        if let Some(sha512) = &output.sha512 {
            facts.push(format!("sha512 {}", short(sha512)));
        }
        row("", &facts.join(&dot));
    }
    text.truncate(text.trim_end().len());
    text
}

fn name(theme: &Theme, path: &Path, dash: &str) -> String {
    if path.as_os_str() == "-" { dash.to_owned() } else { theme.path(path) }
}
