//! GRUB's menus, without running them: variables are followed, conditions are not, and both sides of one are read.
mod words;

use super::{BootEntry, LONGEST_COMMAND, MOST_ENTRIES, MOST_FILES, Source, absolute, folder};
use crate::source::iso::IsoError;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use words::{Part, Token, tokens};

/// A value that would be longer is not kept: scripts can double one again and again.
const LONGEST_VALUE: usize = 4 << 10;
/// Options of `menuentry` with a word of their own behind them.
const WITH_VALUE: &[&str] = &["--class", "--users", "--hotkey", "--source", "--id"];

/// The entries of the menu in the file `path` and in those that it goes on with.
pub(super) fn read(source: &Source<'_>, path: &str) -> Result<Vec<BootEntry>, IsoError> {
    let Some(text) = (source.text)(path)? else { return Ok(Vec::new()) };
    let mut menu = Menu {
        source,
        variables: BTreeMap::from([("prefix".to_owned(), folder(path).to_owned())]),
        entries: Vec::new(),
        files: VecDeque::from([(path.to_owned(), text)]),
        seen: BTreeSet::from([path.to_owned()]),
    };
    while let Some((path, text)) = menu.files.pop_front() {
        menu.run(&path, &text)?;
    }
    Ok(menu.entries)
}

struct Menu<'a> {
    source: &'a Source<'a>,
    variables: BTreeMap<String, String>,
    entries: Vec<BootEntry>,
    /// Files that are still to be read, and the paths of all.
    files: VecDeque<(String, String)>,
    seen: BTreeSet<String>,
}

impl Menu<'_> {
    fn run(&mut self, path: &str, text: &str) -> Result<(), IsoError> {
        // Blocks around the present place: an entry in the making, or any other.
        let mut blocks: Vec<Option<BootEntry>> = Vec::new();
        let mut command = Command::default();
        for token in tokens(text).into_iter().chain([Token::End]) {
            if let Token::Word(parts) = &token {
                self.expand(parts, &mut command);
                continue;
            }
            let words = std::mem::take(&mut command).words;
            if token == Token::Open {
                let entry =
                    bare(&words).filter(|words| words.first().is_some_and(|word| word == "menuentry"));
                blocks.push(entry.map(|words| BootEntry {
                    title: title(words),
                    kernel: String::new(),
                    initrd: Vec::new(),
                    arguments: Vec::new(),
                    from: path.to_owned(),
                }));
                continue;
            }
            self.command(path, &words, blocks.iter_mut().rev().flatten().next())?;
            if token == Token::Close
                && let Some(entry) = blocks.pop().flatten()
                && !entry.kernel.is_empty()
                && self.entries.len() < MOST_ENTRIES
            {
                self.entries.push(entry);
            }
        }
        Ok(())
    }

    /// Adds the words that `parts` stand for. What is too long is left out.
    fn expand(&self, parts: &[Part], command: &mut Command) {
        let mut word = String::new();
        let mut any = false;
        for part in parts {
            if command.bytes + word.len() > LONGEST_COMMAND {
                return;
            }
            match part {
                Part::Text(text) => {
                    word.push_str(text);
                    any = true;
                }
                Part::Variable { name, quoted } => {
                    let value = self.variables.get(name).map_or("", String::as_str);
                    if *quoted {
                        word.push_str(value);
                        any = true;
                        continue;
                    }
                    for (number, piece) in value.split(char::is_whitespace).enumerate() {
                        if number > 0 && any {
                            command.push(std::mem::take(&mut word));
                            any = false;
                        }
                        word.push_str(piece);
                        any |= !piece.is_empty();
                    }
                }
            }
        }
        if any {
            command.push(word);
        }
    }

    fn command(
        &mut self,
        path: &str,
        words: &[String],
        entry: Option<&mut BootEntry>,
    ) -> Result<(), IsoError> {
        let Some([name, rest @ ..]) = bare(words) else { return Ok(()) };
        match (name.as_str(), entry) {
            ("linux" | "linux16" | "linuxefi", Some(entry)) => {
                if let [kernel, arguments @ ..] = rest {
                    entry.kernel = on_medium(kernel);
                    entry.arguments = arguments.to_vec();
                }
            }
            ("initrd" | "initrd16" | "initrdefi", Some(entry)) => {
                entry.initrd = rest.iter().map(|path| on_medium(path)).collect();
            }
            ("configfile" | "source" | ".", _) => {
                let next = rest.first().map(|next| on_medium(next));
                // Paths of GRUB are absolute; where the ISO's own root is another volume, the file is beside this one.
                for next in next
                    .into_iter()
                    .flat_map(|next| [absolute(folder(path), next.trim_start_matches('/')), next])
                {
                    if self.seen.len() < MOST_FILES
                        && !self.seen.contains(&next)
                        && let Some(text) = (self.source.text)(&next)?
                    {
                        self.seen.insert(next.clone());
                        self.files.push_back((next, text));
                    }
                }
            }
            ("probe", _) => self.probe(rest),
            ("set", _) => self.assign(rest.first()),
            ("unset", _) => drop(rest.first().and_then(|name| self.variables.remove(name))),
            _ => self.assign(Some(name).filter(|_| rest.is_empty())),
        }
        Ok(())
    }

    fn assign(&mut self, word: Option<&String>) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if let Some((name, value)) = word.and_then(|word| word.split_once('='))
            && !name.is_empty()
            && name.chars().all(is_name)
            && value.len() <= LONGEST_VALUE
        {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    /// `probe --set NAME --fs-uuid ($root)`: Photon finds its medium so.
    fn probe(&mut self, words: &[String]) {
        let mut name = None;
        let mut value = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-s" | "--set" => name = words.next().cloned(),
                "-u" | "--fs-uuid" => value = self.source.uuid,
                "-l" | "--label" => value = Some(self.source.label),
                other => name = other.strip_prefix("--set=").map(str::to_owned).or(name),
            }
        }
        if let (Some(name), Some(value)) = (name, value) {
            self.variables.insert(name, value.to_owned());
        }
    }
}

/// The words of a command, as far as they were read.
#[derive(Default)]
struct Command {
    words: Vec<String>,
    bytes: usize,
}

impl Command {
    /// Adds a word. From the first that does not fit on, nothing is read any more.
    fn push(&mut self, word: String) {
        self.bytes += word.len() + 1;
        if self.bytes <= LONGEST_COMMAND {
            self.words.push(word);
        }
    }
}

/// A command without the words of the language before it; nothing if there is no command.
fn bare(words: &[String]) -> Option<&[String]> {
    let language = ["if", "elif", "then", "else", "while", "until", "do", "!", "fi", "done"];
    let start = words.iter().position(|word| !language.contains(&word.as_str()))?;
    words.get(start..).filter(|words| !words.is_empty())
}

/// The first word of `menuentry` that is no option.
fn title(words: &[String]) -> String {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with("--") {
            return word.clone();
        }
    }
    String::new()
}

/// A path without the device before it: `($root)/casper/vmlinuz`.
fn on_medium(path: &str) -> String {
    let path = path.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(path, |(_, path)| path);
    absolute("", path)
}
