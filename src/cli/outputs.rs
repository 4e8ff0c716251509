//! `-o` of `goldsmith convert`: a path, or `format=…,path=…` with what else there is to say about an output.
use crate::disk::{OutputFormat, Qcow2Compression};
use std::{path::PathBuf, str::FromStr};

/// One output as the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutputArg {
    /// `-` is stdout.
    pub(super) path: PathBuf,
    pub(super) format: Option<OutputFormat>,
    pub(super) level: Option<u32>,
    pub(super) compression: Option<Qcow2Compression>,
}

/// The keys, as the help shows them.
const KEYS: &str = "path, format, level, compression";

impl FromStr for OutputArg {
    type Err = String;

    /// A text that begins with one of the keys is a list of them; everything else is a path. A value ends where a comma
    /// and another key follow, so paths may hold commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut output = Self { path: PathBuf::new(), format: None, level: None, compression: None };
        let is_list = text
            .split_once('=')
            .is_some_and(|(key, _)| ["path", "format", "level", "compression"].contains(&key));
        if !is_list {
            output.path = text.into();
            return if text.is_empty() { Err("write a path".to_owned()) } else { Ok(output) };
        }
        let mut rest = text;
        while !rest.is_empty() {
            let (key, value) = rest
                .split_once('=')
                .ok_or_else(|| format!("`{rest}` is no KEY=VALUE; the keys are {KEYS}"))?;
            let end = next_key(value).unwrap_or(value.len());
            let (value, after) = (&value[..end], value.get(end + 1..).unwrap_or_default());
            match key {
                "path" => output.path = value.into(),
                "format" => output.format = Some(format(value)?),
                "level" => {
                    output.level =
                        Some(value.parse().map_err(|_| format!("`{value}` is no compression level"))?);
                }
                "compression" => output.compression = Some(compression(value)?),
                _ => return Err(format!("`{key}` is no key of an output; the keys are {KEYS}")),
            }
            rest = after;
        }
        if output.path.as_os_str().is_empty() {
            return Err("it has no path: write `path=FILE`".to_owned());
        }
        Ok(output)
    }
}

/// Where the comma is that a key follows.
fn next_key(value: &str) -> Option<usize> {
    value.match_indices(',').map(|(at, _)| at).find(|at| {
        value[at + 1..].split_once('=').is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '-')
        })
    })
}

/// A format by its name.
pub(super) fn format(text: &str) -> Result<OutputFormat, String> {
    text.parse::<OutputFormat>().map_err(|error| error.to_string())
}

/// How the clusters of a qcow2 are compressed, by its name.
pub(super) fn compression(text: &str) -> Result<Qcow2Compression, String> {
    match text {
        "none" => Ok(Qcow2Compression::None),
        "zlib" => Ok(Qcow2Compression::Zlib),
        "zstd" => Ok(Qcow2Compression::Zstd),
        _ => Err(format!("`{text}` is no compression of qcow2 (none, zlib, zstd)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> OutputArg {
        text.parse().unwrap()
    }

    #[test]
    fn a_text_without_keys_is_a_path_whatever_it_holds() {
        for text in ["disk.raw.gz", "a=b.raw", "my disk, last one.qcow2", "-", "./path"] {
            let output = parsed(text);
            assert_eq!(output.path, PathBuf::from(text));
            assert_eq!((output.format, output.level, output.compression), (None, None, None));
        }
    }

    #[test]
    fn keys_come_in_any_order_and_a_path_may_hold_commas() {
        let output = parsed("format=qcow2,compression=zstd,level=9,path=a,B=c.img");
        assert_eq!(output.format, Some(OutputFormat::Qcow2));
        assert_eq!(output.compression, Some(Qcow2Compression::Zstd));
        assert_eq!(output.level, Some(9));
        assert_eq!(parsed("path=x y, z,format=raw").path, PathBuf::from("x y, z"));
        assert_eq!(parsed("path=-,format=raw.gz").path, PathBuf::from("-"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("", "path"),
            ("format=raw", "no path"),
            ("format=iso,path=x", "`iso`"),
            ("path=x,speed=9", "`speed`"),
            ("path=x,level=fast", "`fast`"),
            ("path=x,compression=lzma", "none, zlib, zstd"),
        ] {
            let error = text.parse::<OutputArg>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
