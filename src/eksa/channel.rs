//! Release channels: a minor version of Kubernetes, in the ways in which people write it.
use serde::{Serialize, Serializer};
use std::{fmt, str::FromStr};

/// A release channel. Parses `1-34`, `1.34` and `v1.34`; prints `1-34`, as manifests and file names have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    major: u16,
    minor: u16,
}

/// A text is no release channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no release channel: write `1-34` or `1.34`")]
pub struct ChannelError {
    text: String,
}

impl Channel {
    /// As Kubernetes writes it: `1.34`.
    pub fn dotted(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        let error = || ChannelError { text: text.to_owned() };
        let plain = text.strip_prefix('v').unwrap_or(text);
        let (major, minor) = plain.split_once(['-', '.']).ok_or_else(error)?;
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok()).flatten()
        };
        match (number(major), number(minor)) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.major, self.minor)
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_read_in_all_its_forms() {
        for text in ["1-34", "1.34", "v1.34"] {
            let channel: Channel = text.parse().unwrap();
            assert_eq!((channel.to_string().as_str(), channel.dotted().as_str()), ("1-34", "1.34"));
        }
        assert!("1-9".parse::<Channel>().unwrap() < "1-30".parse().unwrap());
    }

    #[test]
    fn what_is_no_channel_is_refused_with_the_form() {
        for text in ["", "1", "1-", "1-34-5", "1.34.2", "latest", "-1.2", "1-+4", "1-99999999"] {
            let error = text.parse::<Channel>().unwrap_err();
            assert!(error.to_string().contains("write `1-34`"), "{text}");
        }
    }
}
