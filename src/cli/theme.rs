//! How text looks on one stream: colours and symbols. Decided once; everything else asks.
use super::args::ColorWhen;
use anstyle::{AnsiColor, Effects, Style};
use std::{
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// Colours and symbols of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Theme {
    /// Whether escape sequences are allowed.
    pub(super) color: bool,
    /// Whether more than ASCII is allowed.
    pub(super) unicode: bool,
    /// Paths below these are shown shorter.
    home: Option<PathBuf>,
    here: Option<PathBuf>,
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Done, holds.
    Good,
    /// Failed.
    Bad,
    /// Take care.
    Warn,
    /// Less important.
    Dim,
    /// More important.
    Strong,
    /// Goes on right now; names.
    Accent,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().effects(Effects::BOLD),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Dim => Style::new().effects(Effects::DIMMED),
            Self::Strong => Style::new().effects(Effects::BOLD),
            Self::Accent => AnsiColor::Cyan.on_default(),
        }
    }
}

/// The symbols of a character set.
#[derive(Debug)]
pub(super) struct Symbols {
    pub(super) tick: &'static str,
    pub(super) cross: &'static str,
    pub(super) unknown: &'static str,
    pub(super) dot: &'static str,
    pub(super) gutter: &'static str,
    pub(super) ellipsis: &'static str,
    /// Part of a progress bar that is done, its end, and the rest.
    pub(super) bar: [&'static str; 3],
    /// Eighths of a block, from full to an eighth; ASCII has only the full one.
    pub(super) blocks: &'static [&'static str],
    pub(super) spinner: &'static [&'static str],
}

const UNICODE: Symbols = Symbols {
    tick: "✓",
    cross: "✗",
    unknown: "…",
    dot: "·",
    gutter: "│",
    ellipsis: "…",
    bar: ["━", "╸", "─"],
    blocks: &["█", "▉", "▊", "▋", "▌", "▍", "▎", "▏"],
    spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
};

const ASCII: Symbols = Symbols {
    tick: "+",
    cross: "x",
    unknown: "?",
    dot: "-",
    gutter: "|",
    ellipsis: "...",
    bar: ["=", ">", "-"],
    blocks: &["#"],
    spinner: &["|", "/", "-", "\\"],
};

impl Theme {
    /// Without any knowledge of the surroundings.
    #[cfg(test)]
    pub(super) const fn new(color: bool, unicode: bool) -> Self {
        Self { color, unicode, home: None, here: None }
    }

    /// From the command line, the environment (read through `var`) and whether the stream is a terminal.
    pub(super) fn detect(when: ColorWhen, terminal: bool, var: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| var(name).filter(|value| !value.is_empty());
        let color = match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                if set("NO_COLOR").is_some() {
                    false
                } else if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
                    true
                } else {
                    terminal
                        && set("CLICOLOR").is_none_or(|value| value != "0")
                        && set("TERM").is_none_or(|value| value != "dumb")
                }
            }
        };
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
        let unicode = locale.is_some_and(|locale| {
            let locale = locale.to_string_lossy().to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let home = set("HOME").map(PathBuf::from).filter(|home| home.components().count() > 1);
        Self { color, unicode, home, here: std::env::current_dir().ok() }
    }

    /// `text` in the style of `tone`.
    pub(super) fn paint(&self, tone: Tone, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }

    /// The symbols.
    pub(super) const fn symbols(&self) -> &'static Symbols {
        if self.unicode { &UNICODE } else { &ASCII }
    }

    /// A green tick or a red cross.
    pub(super) fn mark(&self, good: bool) -> String {
        if good {
            self.paint(Tone::Good, self.symbols().tick)
        } else {
            self.paint(Tone::Bad, self.symbols().cross)
        }
    }

    /// A path as a person would type it from here. Works in a shell unless it holds blanks.
    pub(super) fn path(&self, path: &Path) -> String {
        if let Some(rest) = self.here.as_deref().and_then(|here| path.strip_prefix(here).ok())
            && rest.components().next().is_some()
        {
            return rest.display().to_string();
        }
        match self.home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
            Some(rest) if rest.components().next().is_some() => format!("~/{}", rest.display()),
            _ => path.display().to_string(),
        }
    }

    /// Backticks of messages become bold text where there are colours.
    pub(super) fn prose(&self, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let mut painted = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('`') {
            let Some(length) = rest[start + 1..].find('`') else { break };
            painted.push_str(&rest[..start]);
            let _ = write!(painted, "{}", self.paint(Tone::Strong, &rest[start + 1..=start + length]));
            rest = &rest[start + length + 2..];
        }
        painted.push_str(rest);
        painted
    }

    /// At most `width` columns of `text`, which may hold escape sequences.
    pub(super) fn fit(&self, text: &str, width: usize) -> String {
        console::truncate_str(text, width, self.symbols().ellipsis).into_owned()
    }
}

/// Columns that `text` takes on a terminal.
pub(super) fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// `text` padded with blanks to `width` columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{:1$}", "", width.saturating_sub(columns(text)))
}

/// `text` after blanks, `width` columns together.
pub(super) fn pad_left(text: &str, width: usize) -> String {
    format!("{:1$}{text}", "", width.saturating_sub(columns(text)))
}

/// `text` in lines of at most `width` columns, broken between words; a longer word stays whole.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn colored(when: ColorWhen, terminal: bool, vars: &[(&str, &str)]) -> bool {
        Theme::detect(when, terminal, |name| {
            vars.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value))
        })
        .color
    }

    #[test_case(true, &[], true ; "a terminal has colours")]
    #[test_case(false, &[], false ; "a pipe has none")]
    #[test_case(true, &[("NO_COLOR", "1")], false ; "no_color")]
    #[test_case(true, &[("NO_COLOR", "")], true ; "an empty no_color says nothing")]
    #[test_case(true, &[("CLICOLOR", "0")], false ; "clicolor")]
    #[test_case(false, &[("CLICOLOR_FORCE", "1")], true ; "clicolor_force")]
    #[test_case(true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false ; "no_color wins")]
    #[test_case(true, &[("TERM", "dumb")], false ; "a dumb terminal")]
    fn the_environment_decides_about_colours(terminal: bool, vars: &[(&str, &str)], expected: bool) {
        assert_eq!(colored(ColorWhen::Auto, terminal, vars), expected);
        assert!(colored(ColorWhen::Always, terminal, vars));
        assert!(!colored(ColorWhen::Never, terminal, vars));
    }

    #[test_case(&[("LANG", "de_DE.UTF-8")], true)]
    #[test_case(&[("LANG", "C.utf8")], true)]
    #[test_case(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")], false)]
    #[test_case(&[], false)]
    fn the_locale_decides_about_symbols(vars: &[(&str, &str)], expected: bool) {
        let theme = Theme::detect(ColorWhen::Auto, true, |name| {
            vars.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value))
        });
        assert_eq!(theme.unicode, expected);
    }

    #[test]
    fn literals_become_bold_and_a_lone_backtick_stays() {
        let theme = Theme::new(true, true);
        assert_eq!(
            theme.prose("run `a b` or `c` now`"),
            "run \u{1b}[1ma b\u{1b}[0m or \u{1b}[1mc\u{1b}[0m now`"
        );
        assert_eq!(Theme::new(false, true).prose("run `a`"), "run `a`");
    }

    #[test]
    fn lines_break_between_words_and_never_inside() {
        assert_eq!(wrap("a bb ccc dddddddd e", 5), ["a bb", "ccc", "dddddddd", "e"]);
        assert_eq!(wrap("", 5), [""]);
    }
}
