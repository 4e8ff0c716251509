//! Standard output and standard error: the only place that writes to them.
//!
//! Results go to stdout, everything for people to stderr. No command asks whether it should be quiet: it asks the console
//! for the right way to say something.
use super::{
    args::{ColorWhen, Global},
    theme::Theme,
};
use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// Where texts go and how they look.
#[derive(Debug, Clone)]
pub(super) struct Console {
    out: Theme,
    err: Theme,
    out_terminal: bool,
    err_terminal: bool,
    in_terminal: bool,
    ci: bool,
    json: bool,
    verbosity: Verbosity,
}

impl Console {
    /// From the command line and the environment.
    pub(super) fn new(global: &Global) -> Self {
        let var = |name: &str| std::env::var_os(name);
        Self::with(global, &var)
    }

    fn with(global: &Global, var: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let when = if global.no_color { ColorWhen::Never } else { global.color };
        let (out_terminal, err_terminal) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let verbosity = match (global.quiet, global.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        };
        Self {
            out: Theme::detect(when, out_terminal, var),
            err: Theme::detect(when, err_terminal, var),
            out_terminal,
            err_terminal,
            in_terminal: io::stdin().is_terminal(),
            ci: var("CI").is_some_and(|value| !value.is_empty() && value != "false"),
            json: global.json,
            verbosity,
        }
    }

    /// The same for work that is over in a moment: only warnings are shown.
    pub(super) fn hushed(&self) -> Self {
        Self { verbosity: Verbosity::Quiet, json: false, ..self.clone() }
    }

    /// Prints a result.
    #[expect(clippy::unused_self, reason = "who may print has a console")]
    pub(super) fn out(&self, text: &str) {
        print(&mut io::stdout().lock(), text);
    }

    /// Prints a text for people.
    #[expect(clippy::unused_self, reason = "who may print has a console")]
    pub(super) fn err(&self, text: &str) {
        print(&mut io::stderr().lock(), text);
    }

    /// Prints a question; the answer stands on the same line.
    #[expect(clippy::unused_self, reason = "who may print has a console")]
    pub(super) fn prompt(&self, text: &str) {
        let mut stream = io::stderr().lock();
        let _ = write!(stream, "{text}").and_then(|()| stream.flush());
    }

    /// Prints a text for people, unless they want only warnings and errors.
    pub(super) fn note(&self, text: &str) {
        if self.verbosity != Verbosity::Quiet && !self.json {
            self.err(text);
        }
    }

    /// How text on stdout looks.
    pub(super) fn out_theme(&self) -> &Theme {
        &self.out
    }

    /// How text on stderr looks.
    pub(super) fn err_theme(&self) -> &Theme {
        &self.err
    }

    /// Columns of stdout.
    pub(super) fn out_width(&self) -> usize {
        width(self.out_terminal, &console::Term::stdout())
    }

    /// Columns of stderr.
    pub(super) fn err_width(&self) -> usize {
        width(self.err_terminal, &console::Term::stderr())
    }

    /// Whether results are wanted as JSON.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// How much is shown.
    pub(super) fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Whether lines that change may be shown. A CI system may pretend to be a terminal, but nobody watches it.
    pub(super) fn is_live(&self) -> bool {
        self.err_terminal && !self.ci && console::Term::stderr().features().is_attended()
    }

    /// Whether a person can be asked.
    pub(super) fn is_interactive(&self) -> bool {
        self.in_terminal && self.err_terminal
    }

    /// Whether a person sees stdout; otherwise it is data.
    pub(super) fn out_is_terminal(&self) -> bool {
        self.out_terminal
    }
}

/// Text for files and pipes is as wide as people read with ease.
fn width(terminal: bool, term: &console::Term) -> usize {
    const READABLE: usize = 100;
    match term.size_checked() {
        Some((_, columns)) if terminal && columns > 0 => usize::from(columns),
        _ => READABLE,
    }
}

/// A reader that went away (`goldsmith schema | head`) is no reason to fail.
fn print(stream: &mut dyn Write, text: &str) {
    let _ = writeln!(stream, "{text}").and_then(|()| stream.flush());
}
