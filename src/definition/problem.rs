//! What is wrong with a definition, and where: problems that miette can draw.
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use std::{error::Error, fmt, io, ops::Range, sync::Arc};

/// A place in a file: byte offsets.
pub(super) type Span = Range<usize>;

/// A text with a name, so that problems can show it.
#[derive(Debug, Clone)]
pub(super) struct SourceFile {
    code: Arc<NamedSource<String>>,
}

impl SourceFile {
    /// `shown` is how people know the file: the path as they gave it.
    pub(super) fn new(shown: impl AsRef<str>, text: &str) -> Self {
        Self { code: Arc::new(NamedSource::new(shown, text.to_owned()).with_language("toml")) }
    }

    /// The whole text.
    pub(super) fn text(&self) -> &str {
        self.code.inner()
    }

    /// What stands at `span`.
    pub(super) fn slice(&self, span: &Span) -> &str {
        self.text().get(span.clone()).unwrap_or_default()
    }

    /// Number of the line in which `offset` is, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.text().bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    /// `file:line` of `offset`.
    pub(super) fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.code.name(), self.line(offset))
    }

    /// A problem with what stands at `span`.
    pub(super) fn problem(&self, span: Span, message: impl Into<String>) -> Problem {
        let label = Label { span: self.first_line_of(span), text: None };
        Problem {
            message: message.into(),
            file: Some(self.clone()),
            labels: vec![label],
            help: None,
            cause: None,
        }
    }

    /// A label over many lines hides what it points at.
    fn first_line_of(&self, span: Span) -> Span {
        let text = self.text();
        let start = span.start.min(text.len());
        let end = span.end.clamp(start, text.len());
        let line_end = text[start..end].find('\n').map_or(end, |at| start + at);
        start..line_end
    }
}

#[derive(Debug, Clone)]
struct Label {
    span: Span,
    text: Option<String>,
}

/// One thing that is wrong with a definition.
#[derive(Debug, Clone)]
pub struct Problem {
    message: String,
    file: Option<SourceFile>,
    /// The first one is where the problem is; others are what it has to do with.
    labels: Vec<Label>,
    help: Option<String>,
    cause: Option<Arc<io::Error>>,
}

impl Problem {
    /// A problem that has no place in any file.
    pub(super) fn without_place(message: impl Into<String>) -> Self {
        Self { message: message.into(), file: None, labels: Vec::new(), help: None, cause: None }
    }

    /// Says something at the main place.
    pub(super) fn label(&mut self, text: impl Into<String>) -> &mut Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = Some(text.into());
        }
        self
    }

    /// Shows another place that has to do with it.
    pub(super) fn also(&mut self, span: Span, text: impl Into<String>) -> &mut Self {
        if let Some(file) = &self.file {
            self.labels.push(Label { span: file.first_line_of(span), text: Some(text.into()) });
        }
        self
    }

    /// Says how to mend it; a second help follows the first.
    pub(super) fn help(&mut self, text: impl Into<String>) -> &mut Self {
        let text = text.into();
        self.help = Some(match self.help.take() {
            Some(before) => format!("{before}\n{text}"),
            None => text,
        });
        self
    }

    /// Says what the operating system said.
    pub(super) fn cause(&mut self, error: io::Error) -> &mut Self {
        self.cause = Some(Arc::new(error));
        self
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How to mend it.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The file in which it is, by the name that the user gave.
    pub fn file(&self) -> Option<&str> {
        self.file.as_ref().map(|file| file.code.name())
    }

    /// The line in which it is, from 1.
    pub fn line(&self) -> Option<usize> {
        Some(self.file.as_ref()?.line(self.labels.first()?.span.start))
    }

    /// The column in which it is, in characters, from 1.
    pub fn column(&self) -> Option<usize> {
        let before = self.file.as_ref()?.text().get(..self.labels.first()?.span.start)?;
        let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
        Some(line.chars().count() + 1)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let file = self.file.as_ref()?;
        // miette cannot read a span of an empty text.
        (!file.text().is_empty()).then_some(&*file.code as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source_code()?;
        Some(Box::new(self.labels.iter().enumerate().map(|(index, label)| {
            let (text, span) = (label.text.clone(), label.span.clone());
            if index == 0 {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        })))
    }
}

/// Why a definition cannot be used: everything that is wrong with it, in the order of the file.
///
/// A definition with one problem reads and draws like that problem; with several, like a headline and its
/// [`Diagnostic::related`] problems.
#[derive(Debug, Clone)]
pub struct DefinitionError {
    shown: String,
    problems: Vec<Problem>,
}

impl DefinitionError {
    /// `problems` of the definition that people know as `shown`.
    pub(super) fn new(shown: impl Into<String>, mut problems: Vec<Problem>) -> Self {
        let shown = shown.into();
        // Problems of var files and of the command line come last: they may follow from those of the definition.
        problems.sort_by_key(|problem| {
            let start = problem.labels.first().map_or(0, |label| label.span.start);
            (problem.file() != Some(shown.as_str()), start)
        });
        Self { shown, problems }
    }

    /// Everything that is wrong; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn only(&self) -> Option<&Problem> {
        match &self.problems[..] {
            [only] => Some(only),
            _ => None,
        }
    }
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.only() {
            Some(problem) => problem.fmt(f),
            None => write!(f, "`{}` has {} problems", self.shown, self.problems.len()),
        }
    }
}

impl Error for DefinitionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.only()?.source()
    }
}

impl Diagnostic for DefinitionError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Diagnostic::help(self.only()?)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.only()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.only()?.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self.only() {
            Some(_) => None,
            None => Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic))),
        }
    }
}
