//! Why a command could not do its work, and how that reads.
use super::{exit::Exit, failure, theme::Theme};
use crate::build::{BuildError, BuildErrorKind, DirError};
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

    /// How the process ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::Definitions(_) => Exit::Usage,
            Self::Host(..) => Exit::Preflight,
            Self::Build(error) => match error.kind() {
                BuildErrorKind::Preflight => Exit::Preflight,
                BuildErrorKind::Failed | BuildErrorKind::Unproven => Exit::Failed,
                BuildErrorKind::Interrupted => Exit::Interrupted,
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
            Self::Host(attempt, source) => {
                let mut chain = vec![attempt.clone()];
                let mut next: Option<&dyn Error> = Some(&**source);
                while let Some(error) = next {
                    chain.push(error.to_string());
                    next = error.source();
                }
                failure::chain(theme, &chain, &[])
            }
            Self::Build(error) => failure::error(theme, error),
            Self::Internal(message) => failure::chain(
                theme,
                &[format!("this is a bug in goldsmith: {message}")],
                &["please report it, with this message and the command that you ran".to_owned()],
            ),
        }
    }
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
