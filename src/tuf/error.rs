//! What is wrong with a repository, in plain words.
use super::Place;
use crate::{
    cx::{Failure, FailureKind},
    fetch::{FetchError, PlainUrl},
    value::Size,
};
use std::error::Error as _;
use tough::{
    error::Error as Tough,
    schema::{Error as Schema, RoleType},
};

/// What a caller may want to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TufErrorKind {
    /// Signatures, versions, digests or dates are not as they must be.
    Untrusted,
    /// A repository or file is not there.
    NotFound,
    /// The server did not answer; it may later.
    Unavailable,
    /// It took too long.
    Timeout,
    /// The user interrupted it.
    Cancelled,
    /// Anything else.
    Other,
}

impl FailureKind for TufErrorKind {
    const CANCELLED: Self = Self::Cancelled;
    const TIMEOUT: Self = Self::Timeout;
    const OTHER: Self = Self::Other;
}

/// Something about a repository is not as it must be.
pub type TufError = Failure<TufErrorKind>;

const HELD_BACK: &str = "is this host's clock right (`date -u`)? If it is, the publisher or a mirror is late, or somebody holds newer files back";
const MIRROR: &str = "look for a mirror or proxy that is behind or changes files; with the publisher's own address it must go well";

impl TufError {
    /// A file of the metadata did not come.
    pub(super) fn fetch(place: &Place, error: FetchError) -> Self {
        let hint = match &error {
            FetchError::NoCopy { .. } => Some("run the same command once without `--offline`".to_owned()),
            FetchError::TooLarge { .. } => Some(MIRROR.to_owned()),
            FetchError::Http { status: 403 | 404 | 410, .. } => {
                Some("there may be no such variant, version of Kubernetes or architecture".to_owned())
            }
            error => error.hint(),
        };
        Self::new(kind(&error), format!("read the repository at `{}`", PlainUrl(&place.metadata)))
            .because(error)
            .maybe_hint(hint)
    }

    /// A file of the repository did not come, or is another.
    pub(super) fn target(name: &str, error: FetchError) -> Self {
        let hint = match &error {
            FetchError::Digest { .. } | FetchError::LocalDigest { .. } | FetchError::TooLarge { .. } => {
                Some(format!("the file is not the one that was signed: {MIRROR}"))
            }
            error => error.hint(),
        };
        Self::new(kind(&error), format!("download `{name}`")).because(error).maybe_hint(hint)
    }

    /// What came is not what it must be.
    pub(super) fn distrust(place: &Place, error: &Tough) -> Self {
        let attempt = format!("trust the repository at `{}`", PlainUrl(&place.metadata));
        let (kind, why, hint) = explain(error);
        Self::new(kind, attempt).because(why).maybe_hint(hint.map(str::to_owned))
    }
}

/// Whether a file did not come, rather than that it is not what it must be.
pub(super) fn is_about_transport(error: &Tough) -> bool {
    matches!(error, Tough::Transport { source, .. } if !source.source().is_some_and(|inner| inner.is::<Tough>()))
}

fn kind(error: &FetchError) -> TufErrorKind {
    match error {
        FetchError::Cancelled(_) => TufErrorKind::Cancelled,
        FetchError::Wait(_) => TufErrorKind::Timeout,
        FetchError::Digest { .. } | FetchError::LocalDigest { .. } | FetchError::TooLarge { .. } => {
            TufErrorKind::Untrusted
        }
        FetchError::NoCopy { .. } | FetchError::Http { status: 403, .. } => TufErrorKind::NotFound,
        error if error.is_gone() => TufErrorKind::NotFound,
        error if error.is_transient() => TufErrorKind::Unavailable,
        _ => TufErrorKind::Other,
    }
}

/// What an error of the crate means, and what to do about it.
fn explain(error: &Tough) -> (TufErrorKind, String, Option<&'static str>) {
    let untrusted = |why: String, hint| (TufErrorKind::Untrusted, why, Some(hint));
    match error {
        Tough::ExpiredMetadata { role, .. } => {
            untrusted(format!("`{role}.json` has expired: what it says no longer holds"), HELD_BACK)
        }
        Tough::OlderMetadata { role: RoleType::Root, current_version, new_version, .. } => untrusted(
            format!(
                "`{}.root.json` says that it is version {new_version}: roots must follow each other",
                current_version.saturating_add(1)
            ),
            MIRROR,
        ),
        Tough::OlderMetadata { role, current_version, new_version, .. } => untrusted(
            format!(
                "`{role}.json` is version {new_version}, and version {current_version} was here before: it is an old state"
            ),
            MIRROR,
        ),
        Tough::OlderSnapshotInTimestamp { snapshot_new, snapshot_old, .. } => untrusted(
            format!(
                "`timestamp.json` names version {snapshot_new} of the snapshot, and version {snapshot_old} was here before: it is an old state"
            ),
            MIRROR,
        ),
        Tough::SnapshotRoleRollback { role, old_role_version, new_role_version, .. } => untrusted(
            format!(
                "`snapshot.json` names version {new_role_version} of `{role}`, and version {old_role_version} was here before: it is an old state"
            ),
            MIRROR,
        ),
        Tough::SnapshotRoleMissing { role, .. } => {
            untrusted(format!("`snapshot.json` no longer names `{role}`, which was there before"), MIRROR)
        }
        Tough::VersionMismatch { role, fetched, expected, .. } => untrusted(
            format!("`{role}.json` is version {fetched}, and what names it says {expected}"),
            MIRROR,
        ),
        Tough::VerifyMetadata { role, source, .. } => {
            untrusted(format!("`{role}.json` is not to be trusted: {}", signature(source)), MIRROR)
        }
        Tough::VerifyTrustedMetadata { source, .. } => untrusted(
            format!("the root is not to be trusted: {}", signature(source)),
            "is it the root of this repository, and whole?",
        ),
        Tough::ParseTrustedMetadata { source, .. } => {
            untrusted(format!("the root is none: {source}"), "is it the root of this repository, and whole?")
        }
        Tough::ParseMetadata { role, source, .. } => {
            untrusted(format!("what came for `{role}.json` is something else: {source}"), MIRROR)
        }
        Tough::MaxUpdatesExceeded { max_root_updates, .. } => {
            untrusted(format!("there are more than {max_root_updates} newer roots: it has no end"), MIRROR)
        }
        Tough::MaxSizeExceeded { max_size, .. } => untrusted(
            format!("a file is larger than {}, which is all that it may be", Size::bytes(*max_size)),
            MIRROR,
        ),
        Tough::HashMismatch { context, calculated, expected, .. } => untrusted(
            format!(
                "`{}` is not the file that is meant: expected sha256:{expected}, found sha256:{calculated}",
                plain(context)
            ),
            MIRROR,
        ),
        Tough::SystemTimeSteppedBackward { sys_time, latest_known_time } => (
            TufErrorKind::Other,
            format!(
                "this host's clock says {sys_time}, and it was {latest_known_time} already when this repository was read before"
            ),
            Some(
                "set the clock (`date -u` shows it): without the right time nobody can tell what has expired",
            ),
        ),
        // Limits and digests of files are told as failures of their transport.
        Tough::Transport { source, .. } => {
            match source.source().and_then(|inner| inner.downcast_ref::<Tough>()) {
                Some(inner) => explain(inner),
                None => (TufErrorKind::Other, source.to_string(), None),
            }
        }
        other => untrusted(other.to_string(), MIRROR),
    }
}

/// Why signatures do not suffice.
fn signature(error: &Schema) -> String {
    match error {
        Schema::SignatureThreshold { threshold, valid, .. } => {
            let signatures = if *threshold == 1 { "signature is" } else { "signatures are" };
            format!("{threshold} valid {signatures} needed, and it has {valid}")
        }
        Schema::DuplicateKeyId { .. } => "it has two signatures by one key".to_owned(),
        other => other.to_string(),
    }
}

/// An address that came as a text, without what may be secret in it.
fn plain(text: &str) -> String {
    text.parse().map_or_else(|_| "a file".to_owned(), |url| PlainUrl(&url).to_string())
}
