//! Texts that several of these commands print.
use crate::cli::theme::{Theme, Tone, columns, pad};

/// Rows in columns, with a heading. The last column is as long as it is.
pub(super) fn grid(theme: &Theme, heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|word| theme.paint(Tone::Dim, word)).collect();
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            let all = rows.iter().chain([&heading]).filter_map(|row| row.get(column));
            all.map(|cell| columns(cell)).max().unwrap_or(0)
        })
        .collect();
    let lines: Vec<String> = std::iter::once(&heading)
        .chain(rows)
        .map(|row| {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| pad(cell, *width)).collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

/// The command that was given, to be given again: without what must not be shown.
pub(super) fn again() -> String {
    let mut words = vec!["goldsmith".to_owned()];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--webhook" {
            let _secret = arguments.next();
        } else if !argument.starts_with("--webhook=") {
            words.push(argument);
        }
    }
    crate::cli::failure::shell_line(&words)
}
