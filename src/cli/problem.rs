//! Why a command could not do its work, and how that reads.
use super::{exit::Exit, failure, theme::Theme};
use crate::{
    build::{BuildError, BuildErrorKind, DirError},
    cloudstack::{CloudStackError, CloudStackErrorKind},
    compat::CompatError,
    cx::causes,
    disk::{DiskError, DiskErrorKind},
    eksa::{EksaError, EksaErrorKind},
    nutanix::{PrismError, PrismErrorKind},
    source::iso::IsoError,
    vsphere::{VsphereError, VsphereErrorKind},
};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use std::error::Error;

/// Why a command could not do its work.
#[derive(Debug)]
pub(super) enum Problem {
    /// The arguments fit together for clap, but not for this command or this terminal.
    Usage { message: String, hints: Vec<String> },
    /// Definitions are wrong; one entry per file.
    Definitions(Vec<Box<dyn Diagnostic + Send + Sync>>),
    /// Something that the command needs on this host is not there; nothing was made.
    Host(String, Box<dyn Error + Send + Sync>),
    /// The library said no before a build had a name.
    Build(BuildError),
    /// A disk could not be read or written.
    Disk { attempt: String, error: Box<DiskError>, hints: Vec<String> },
    /// An installer's medium could not be read.
    Iso(IsoError),
    /// A service of Amazon's said no.
    #[cfg(feature = "aws")]
    Aws(crate::aws::AwsError),
    /// A vCenter said no.
    Vsphere(VsphereError),
    /// A cloud said no.
    CloudStack(CloudStackError),
    /// A Prism Central said no.
    Prism(PrismError),
    /// Something about a release of EKS Anywhere is not as it should be.
    Eksa(EksaError),
    /// A front door does not understand, or refuses.
    Compat(CompatError),
    /// A bug.
    Internal(String),
}

impl Problem {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hints: Vec::new() }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Usage { hints, .. } = &mut self {
            hints.push(hint.into());
        }
        self
    }

    pub(super) fn host(attempt: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Host(attempt.into(), source.into())
    }

    pub(super) fn disk(attempt: impl Into<String>, error: DiskError) -> Self {
        let hints = disk_hints(&error);
        Self::Disk { attempt: attempt.into(), error: Box::new(error), hints }
    }

    /// How the process ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::Definitions(_) | Self::Compat(_) => Exit::Usage,
            Self::Host(..) => Exit::Preflight,
            Self::Build(error) => match error.kind() {
                BuildErrorKind::Preflight => Exit::Preflight,
                BuildErrorKind::Failed | BuildErrorKind::Unproven => Exit::Failed,
                BuildErrorKind::Interrupted => Exit::Interrupted,
            },
            Self::Disk { error, .. } => match error.kind() {
                DiskErrorKind::Cancelled => Exit::Interrupted,
                // A rule forbids it, or a path leads nowhere: nothing was begun.
                DiskErrorKind::Refused | DiskErrorKind::NotFound => Exit::Usage,
                _ => Exit::Failed,
            },
            Self::Iso(_) => Exit::Failed,
            #[cfg(feature = "aws")]
            Self::Aws(error) => match error.kind() {
                crate::aws::AwsErrorKind::Usage => Exit::Usage,
                crate::aws::AwsErrorKind::Auth => Exit::Preflight,
                crate::aws::AwsErrorKind::Cancelled => Exit::Interrupted,
                _ => Exit::Failed,
            },
            Self::Vsphere(error) => match error.kind() {
                VsphereErrorKind::Usage => Exit::Usage,
                VsphereErrorKind::Auth | VsphereErrorKind::Trust => Exit::Preflight,
                VsphereErrorKind::Cancelled => Exit::Interrupted,
                _ => Exit::Failed,
            },
            Self::CloudStack(error) => match error.kind() {
                CloudStackErrorKind::Usage => Exit::Usage,
                CloudStackErrorKind::Auth | CloudStackErrorKind::Trust => Exit::Preflight,
                CloudStackErrorKind::Cancelled => Exit::Interrupted,
                _ => Exit::Failed,
            },
            Self::Prism(error) => match error.kind() {
                PrismErrorKind::Usage => Exit::Usage,
                PrismErrorKind::Auth | PrismErrorKind::Trust => Exit::Preflight,
                PrismErrorKind::Cancelled => Exit::Interrupted,
                _ => Exit::Failed,
            },
            Self::Eksa(error) => match error.kind() {
                EksaErrorKind::Usage => Exit::Usage,
                EksaErrorKind::Cancelled => Exit::Interrupted,
                _ => Exit::Failed,
            },
            Self::Internal(_) => Exit::Internal,
        }
    }

    /// For people.
    pub(super) fn render(&self, theme: &Theme, width: usize) -> String {
        match self {
            Self::Usage { message, hints } => failure::chain(theme, std::slice::from_ref(message), hints),
            Self::Definitions(errors) => {
                let drawn: Vec<String> =
                    errors.iter().map(|error| diagnostic(theme, width, &**error)).collect();
                drawn.join("\n\n")
            }
            Self::Host(attempt, source) => failure::chain(theme, &attempted(attempt, &**source), &[]),
            Self::Iso(error) => failure::chain(theme, &causes(error), &[]),
            #[cfg(feature = "aws")]
            Self::Aws(error) => {
                let hints: Vec<String> = error.hint_text().map(ToOwned::to_owned).into_iter().collect();
                failure::chain(theme, &causes(error), &hints)
            }
            Self::Vsphere(error) => {
                let hints: Vec<String> = error.hint_text().map(ToOwned::to_owned).into_iter().collect();
                failure::chain(theme, &causes(error), &hints)
            }
            Self::CloudStack(error) => {
                let hints: Vec<String> = error.hint_text().map(ToOwned::to_owned).into_iter().collect();
                failure::chain(theme, &causes(error), &hints)
            }
            Self::Prism(error) => {
                let hints: Vec<String> = error.hint_text().map(ToOwned::to_owned).into_iter().collect();
                failure::chain(theme, &causes(error), &hints)
            }
            Self::Eksa(error) => {
                let hints: Vec<String> = error.hint_text().map(ToOwned::to_owned).into_iter().collect();
                failure::chain(theme, &causes(error), &hints)
            }
            Self::Disk { attempt, error, hints } => {
                failure::chain(theme, &attempted(attempt, &**error), hints)
            }
            Self::Build(error) => failure::error(theme, error),
            Self::Compat(error) => failure::chain(theme, &causes(error), error.hints()),
            Self::Internal(message) => failure::chain(
                theme,
                &[format!("this is a bug in goldsmith: {message}")],
                &["please report it, with this message and the command that you ran".to_owned()],
            ),
        }
    }
}

fn attempted(attempt: &str, error: &dyn Error) -> Vec<String> {
    let mut chain = vec![attempt.to_owned()];
    chain.extend(causes(error));
    chain
}

/// What to do about it, where something can be done.
fn disk_hints(error: &DiskError) -> Vec<String> {
    let text = error.to_string();
    let has = |part: &str| text.contains(part);
    let hint = match error.kind() {
        DiskErrorKind::Refused if has("lies outside the folders") || has("needs another file") => {
            "if you trust the image, `--allow-backing-outside` reads its backing file wherever that is"
        }
        DiskErrorKind::Refused if has("does not state the format") => {
            "say it once with `qemu-img rebase -u -b BACKING -F FORMAT IMAGE`"
        }
        DiskErrorKind::Refused if has("unpacks to more") => "`--max-unpacked SIZE` raises the limit",
        DiskErrorKind::Refused if has("also the input") => "write to another path",
        DiskErrorKind::Unsupported if has("one must be chosen") || has("has no disk") => {
            "`--disk N` chooses one"
        }
        DiskErrorKind::NoSpace if has("temporary file") => {
            "`--temp-dir DIR` unpacks on another file system; outputs that are written from front to end (raw, raw.gz, \
             raw.zst, raw.xz, raw.lz4) need no temporary file"
        }
        DiskErrorKind::NoSpace => "free space there, or write to another file system; nothing of it was left",
        DiskErrorKind::Corrupt if has("could not decompress") => {
            "the file is damaged or was cut off: compare its digest with the publisher's"
        }
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

impl From<DirError> for Problem {
    fn from(error: DirError) -> Self {
        Self::host("could not find goldsmith's folders", error)
    }
}

/// A mistake in a definition, with the place where it is.
pub(super) fn diagnostic(theme: &Theme, width: usize, error: &dyn Diagnostic) -> String {
    let graphical = match (theme.unicode, theme.color) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, true) => GraphicalTheme::ascii(),
        (false, false) => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(graphical)
        .with_width(width)
        .with_context_lines(1)
        .with_links(false);
    let mut text = String::new();
    if handler.render_report(&mut text, error).is_err() {
        // Spans that point nowhere must not hide the message.
        text = failure::chain(theme, &[error.to_string()], &[]);
    }
    text.trim_matches('\n').lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
