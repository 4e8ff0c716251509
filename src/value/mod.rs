//! Scalars with a meaning: sizes, durations, digests, architectures, secrets. Everything may use them; they use nothing.
//!
//! Each parses what a person writes (`"20 GiB"`, `"1h30m"`, `"sha256:…"`) and prints what a person reads.
mod arch;
mod digest;
mod duration;
mod secret;
mod size;
mod sums;

pub use arch::Arch;
pub use digest::{Digest, DigestAlgorithm, DigestError};
pub use duration::{HumanDuration, HumanDurationError};
pub use secret::{Redactor, Secret};
pub use size::{Size, SizeError};
pub use sums::{SumsError, digest_of};
