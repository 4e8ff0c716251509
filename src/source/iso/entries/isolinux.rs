//! Menus of ISOLINUX and its relatives.
use super::{BootEntry, LONGEST_COMMAND, MOST_ENTRIES, MOST_FILES, Source, absolute, folder};
use crate::source::iso::IsoError;

/// The entries of the menu in the file `path` and in those that it includes.
pub(super) fn read(source: &Source<'_>, path: &str) -> Result<Vec<BootEntry>, IsoError> {
    let Some(text) = (source.text)(path)? else { return Ok(Vec::new()) };
    let mut menu = Menu::default();
    // Files in the making, with what is left of them: an included one is read in the middle of the other.
    let mut files = vec![(path.to_owned(), lines(&text))];
    let mut included = 0;
    while let Some((from, mut left)) = files.pop() {
        let Some(line) = left.pop() else { continue };
        files.push((from.clone(), left));
        if let Some(next) = menu.line(&line, path, &from)
            && included < MOST_FILES
            && let Some(text) = (source.text)(&next)?
        {
            included += 1;
            files.push((next, lines(&text)));
        }
    }
    menu.finish();
    Ok(menu.entries)
}

/// The lines of a text, the last one first.
fn lines(text: &str) -> Vec<String> {
    text.lines().rev().map(|line| line.trim().to_owned()).collect()
}

#[derive(Default)]
struct Menu {
    entries: Vec<BootEntry>,
    label: Option<Label>,
    /// Arguments of labels that have none.
    append: Vec<String>,
    /// Inside of a help text.
    help: bool,
}

#[derive(Default)]
struct Label {
    title: String,
    kernel: String,
    initrd: Vec<String>,
    append: Option<Vec<String>>,
    from: String,
}

impl Menu {
    /// Reads a line; returns the path of a file that belongs at its place. Paths begin in the folder of the file `main`.
    fn line(&mut self, line: &str, main: &str, from: &str) -> Option<String> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let path = |path: &str| absolute(folder(main), path);
        let word = word.to_ascii_lowercase();
        if self.help {
            self.help = word != "endtext";
            return None;
        }
        match word.as_str() {
            "text" => self.help = true,
            "include" => return rest.split_whitespace().next().map(path),
            "label" => {
                self.finish();
                self.label =
                    Some(Label { title: rest.to_owned(), from: from.to_owned(), ..Label::default() });
            }
            "menu" => {
                let (what, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                match (what.to_ascii_lowercase().as_str(), &mut self.label) {
                    ("include", _) => return rest.split_whitespace().next().map(path),
                    // `^` marks the letter that chooses the entry.
                    ("label", Some(label)) => label.title = rest.trim().replace('^', ""),
                    _ => {}
                }
            }
            "kernel" | "linux" => {
                if let Some(label) = &mut self.label {
                    label.kernel = rest.split_whitespace().next().map(path).unwrap_or_default();
                }
            }
            "initrd" => {
                if let Some(label) = &mut self.label {
                    label.initrd = rest.split(',').map(|name| path(name.trim())).collect();
                }
            }
            "append" => {
                let words = if rest == "-" { Vec::new() } else { words(rest) };
                match &mut self.label {
                    Some(label) => label.append = Some(words),
                    None => self.append = words,
                }
            }
            _ => {}
        }
        // Paths in arguments are made absolute here, where it is known where they begin.
        if let Some(Label { append: Some(words), initrd, .. }) = &mut self.label
            && let Some(at) = words.iter().position(|word| word.starts_with("initrd="))
        {
            let names = words.remove(at);
            *initrd = names.trim_start_matches("initrd=").split(',').map(path).collect();
        }
        None
    }

    fn finish(&mut self) {
        let Some(label) = self.label.take() else { return };
        // Modules of the boot loader (memory tests, chain loaders) are no kernels.
        let module = [".c32", ".bin", ".0", ".bss", ".img"].iter().any(|end| label.kernel.ends_with(end));
        if label.kernel.is_empty() || module || self.entries.len() >= MOST_ENTRIES {
            return;
        }
        self.entries.push(BootEntry {
            title: label.title,
            kernel: label.kernel,
            initrd: label.initrd,
            arguments: label.append.unwrap_or_else(|| self.append.clone()),
            from: label.from,
        });
    }
}

/// Words of an `append` line. Quotes hold a word together, as the kernel has it.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted) = (String::new(), false);
    for (_, c) in text.char_indices().take_while(|(at, _)| *at < LONGEST_COMMAND) {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
