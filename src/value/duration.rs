//! Durations as people write them.
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr, time::Duration};

/// A span of time. Parses `"90s"`, `"5m"`, `"1h30m"`, `"500ms"`; prints the same way, with at most two units.
/// Serialises as seconds (a float), because machines read that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(Duration);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: write a number and a unit, such as `90s`, `5m` or `1h30m`")]
pub struct HumanDurationError {
    text: String,
}

impl HumanDuration {
    /// A duration of `seconds` seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The standard library's form.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for HumanDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_secs();
        let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
        match (hours, minutes) {
            (0, 0) if self.0 < Duration::from_secs(1) => write!(f, "{} ms", self.0.as_millis()),
            (0, 0) if self.0 < Duration::from_secs(10) && self.0.subsec_millis() >= 50 => {
                write!(f, "{:.1} s", self.0.as_secs_f64())
            }
            (0, 0) => write!(f, "{seconds} s"),
            (0, _) if seconds == 0 => write!(f, "{minutes} min"),
            (0, _) => write!(f, "{minutes} min {seconds} s"),
            (_, 0) => write!(f, "{hours} h"),
            _ => write!(f, "{hours} h {minutes} min"),
        }
    }
}

impl fmt::Debug for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for HumanDuration {
    type Err = HumanDurationError;

    fn from_str(text: &str) -> Result<Self, HumanDurationError> {
        let error = || HumanDurationError { text: text.to_owned() };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(error());
        }
        let mut total = 0.0f64;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
            let number: f64 = rest[..digits].parse().map_err(|_| error())?;
            rest = rest[digits..].trim_start();
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let seconds = match &rest[..letters] {
                "ms" => 0.001,
                "s" | "sec" | "second" | "seconds" => 1.0,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86_400.0,
                _ => return Err(error()),
            };
            total += number * seconds;
            rest = rest[letters..].trim_start();
        }
        Duration::try_from_secs_f64(total).map(Self).map_err(|_| error())
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = HumanDuration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"90s\" or \"5m\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HumanDuration, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<HumanDuration, E> {
                Duration::try_from_secs_f64(seconds).map(HumanDuration).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("90s", 90.0)]
    #[test_case("1h30m", 5400.0)]
    #[test_case("2 min 5 s", 125.0)]
    #[test_case("500ms", 0.5)]
    fn durations_parse_as_people_write_them(text: &str, seconds: f64) {
        assert!((text.parse::<HumanDuration>().unwrap().get().as_secs_f64() - seconds).abs() < 1e-9);
    }

    #[test_case("" ; "empty")]
    #[test_case("90" ; "no unit")]
    #[test_case("5 parsecs" ; "unknown unit")]
    fn what_is_no_duration_is_an_error(text: &str) {
        assert!(text.parse::<HumanDuration>().is_err());
    }

    #[test_case(350, "350 ms")]
    #[test_case(2_500, "2.5 s")]
    #[test_case(59_400, "59 s")]
    #[test_case(125_000, "2 min 5 s")]
    #[test_case(5_400_000, "1 h 30 min")]
    fn durations_print_for_people(ms: u64, text: &str) {
        assert_eq!(HumanDuration(Duration::from_millis(ms)).to_string(), text);
    }
}
