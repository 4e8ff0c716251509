//! Sizes in bytes, written and printed in binary or decimal units.
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// A number of bytes. Parses `"8GiB"`, `"512 MiB"`, `"10 GB"`, `"4096"`; prints with the largest binary unit
/// that keeps at most one decimal. Serialises as the number of bytes, because machines read that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(u64);

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a size: {reason}")]
pub struct SizeError {
    text: String,
    reason: &'static str,
}

const UNITS: &[(&str, u64)] = &[
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1_000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("tib", 1 << 40),
    ("tb", 1_000_000_000_000),
];

impl Size {
    /// A size of `bytes` bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size of `n` mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// A size of `n` gibibytes.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// The number of bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// The number of whole mebibytes, rounded up.
    pub const fn as_mib_ceil(self) -> u64 {
        self.0.div_ceil(1 << 20)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut unit = 0;
        let mut value = self.0 as f64;
        // 1023.95 would print as `1024.0 KiB`.
        while value >= 1023.95 && unit + 1 < NAMES.len() {
            value /= 1024.0;
            unit += 1;
        }
        if unit == 0 || (value - value.round()).abs() < 0.05 {
            write!(f, "{value:.0} {}", NAMES[unit])
        } else {
            write!(f, "{value:.1} {}", NAMES[unit])
        }
    }
}

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Size({})", self.0)
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = |reason| SizeError { text: text.to_owned(), reason };
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = (&trimmed[..split], trimmed[split..].trim().to_ascii_lowercase());
        if number.is_empty() {
            return Err(error("write a number and a unit, such as `8GiB`"));
        }
        let factor = if unit.is_empty() {
            1
        } else {
            UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, factor)| *factor)
                .ok_or_else(|| error("the unit is one of B, KiB, MiB, GiB, TiB, KB, MB, GB, TB"))?
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(Size).ok_or_else(|| error("it is larger than 16 EiB"));
        }
        let fraction: f64 = number.parse().map_err(|_| error("the number is malformed"))?;
        let bytes = fraction * factor as f64;
        if bytes >= u64::MAX as f64 {
            return Err(error("it is larger than 16 EiB"));
        }
        Ok(Size(bytes.round() as u64))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"8GiB\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }
            fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes).map(Size).map_err(|_| E::custom("a size cannot be negative"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("8GiB", 8 << 30)]
    #[test_case("8 gib", 8 << 30)]
    #[test_case("1.5G", 3 << 29)]
    #[test_case("10 GB", 10_000_000_000)]
    #[test_case("4096", 4096)]
    fn sizes_parse_as_people_write_them(text: &str, bytes: u64) {
        assert_eq!(text.parse::<Size>().unwrap().as_bytes(), bytes);
    }

    #[test_case("" ; "empty")]
    #[test_case("GiB" ; "no number")]
    #[test_case("8 apples" ; "unknown unit")]
    #[test_case("99999999999 TiB" ; "too large")]
    #[test_case("1.2.3G" ; "malformed")]
    fn what_is_no_size_is_an_error(text: &str) {
        assert!(text.parse::<Size>().is_err());
    }

    #[test_case(0, "0 B")]
    #[test_case(1023, "1023 B")]
    #[test_case(1536, "1.5 KiB")]
    #[test_case(8 << 30, "8 GiB")]
    #[test_case((1 << 20) - 1, "1 MiB")]
    fn sizes_print_for_people(bytes: u64, text: &str) {
        assert_eq!(Size::bytes(bytes).to_string(), text);
    }
}
