//! Values in the places of templates: each filter makes of any text what stands for exactly that text, or refuses it.
use crate::template;
use minijinja::{Environment, Error, ErrorKind, Value};

/// A template that works longer than this is caught in a loop.
const FUEL: u64 = 1_000_000;

/// The language of the answers' templates, with a filter for every place.
pub(super) fn environment<'a>() -> Environment<'a> {
    let mut env = template::environment(FUEL);
    env.add_filter("word", word);
    env.add_filter("ks", kickstart);
    env.add_filter("section", section);
    env.add_filter("preseed", preseed);
    env.add_filter("yaml", |value: Value| yaml(&value));
    env.add_filter("block", block);
    env
}

fn refuse(reason: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

/// A word of a shell script.
fn word(text: String) -> Result<String, Error> {
    if text.contains('\0') {
        return Err(refuse("a shell script cannot hold the character NUL".into()));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    // `=` makes an assignment of a command's first word, `-` is for options: neither matters after a command's name.
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(text);
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// A word of a kickstart command, as Python's `shlex` reads it: one line, with the rules of a POSIX shell.
fn kickstart(text: String) -> Result<String, Error> {
    one_line(&text, "a kickstart command")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@+,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(text);
    }
    Ok(format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"")))
}

/// A script in a section of a kickstart file. Nothing can be quoted there, so the few lines that would end it are refused.
fn section(text: String) -> Result<String, Error> {
    for (number, line) in text.lines().enumerate() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if ["%end", "%include", "%ksappend"].contains(&first) {
            return Err(refuse(format!(
                "line {} of the script begins with `{first}`, which kickstart takes for its own",
                number + 1
            )));
        }
    }
    if let Some(c) = text.chars().find(|&c| c.is_control() && c != '\n' && c != '\t') {
        return Err(refuse(format!("a kickstart script cannot hold the character U+{:04X}", u32::from(c))));
    }
    Ok(text.trim_end().to_owned())
}

/// A value in a preseed file: the rest of a line, without blanks around it.
fn preseed(text: String) -> Result<String, Error> {
    one_line(&text, "a preseeded value")?;
    if text.trim() != text {
        return Err(refuse(format!("a preseeded value cannot begin or end with blanks: `{text}`")));
    }
    if text.ends_with('\\') {
        return Err(refuse(format!("a preseeded value cannot end with a backslash: `{text}`")));
    }
    Ok(text)
}

fn one_line(text: &str, place: &str) -> Result<(), Error> {
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(refuse(format!("{place} cannot hold the character U+{:04X}", u32::from(c)))),
        None => Ok(()),
    }
}

/// A value of YAML on one line. It is JSON as well.
fn yaml(value: &Value) -> Result<String, Error> {
    let json = serde_json::to_string(value).map_err(|error| refuse(format!("this is no value: {error}")))?;
    // JSON leaves as they are what YAML does not take (DEL, C1) or takes for the end of a line (NEL, LS, PS).
    let bare = |c: char| {
        !matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if bare(c) {
            out.push(c);
        } else {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    Ok(out)
}

/// A text in YAML as people read it: lines as they are, indented by `indent`. Where YAML would not give back the same text,
/// it is one line in quotes.
fn block(text: String, indent: usize) -> Result<String, Error> {
    let readable = |c: char| {
        c == '\n'
            || (!c.is_control()
                && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'))
    };
    let trimmed = text.trim_end_matches('\n');
    let ends = text.len() - trimmed.len();
    let first = trimmed.lines().next().unwrap_or_default();
    if !trimmed.contains('\n')
        || !text.chars().all(readable)
        || first.trim().is_empty()
        || first.starts_with(' ')
        || ends > 1
    {
        return yaml(&Value::from(text));
    }
    let margin = " ".repeat(indent);
    let mut out = if ends == 1 { "|".to_owned() } else { "|-".to_owned() };
    for line in trimmed.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&margin);
            out.push_str(line);
        }
    }
    Ok(out)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::{prelude::*, strategy::ValueTree};
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    /// What `program` of Python prints when it reads `input`.
    pub(in crate::seed) fn python(program: &str, input: &str) -> String {
        let mut child = Command::new("python3")
            .args(["-X", "utf8", "-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{input}");
        String::from_utf8(out.stdout).unwrap()
    }

    /// Texts that break whoever quotes carelessly.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("'"),
            Just("\""),
            Just("\\"),
            Just("\n"),
            Just("$(id)"),
            Just("`id`"),
            Just("#"),
            Just(": "),
            Just("- "),
            Just(" "),
            Just("%end"),
            Just("{{ user }}"),
            Just("\u{85}"),
            Just("\u{2028}"),
            Just("\u{7f}"),
            Just("\t"),
            Just("ß"),
            Just("🦀"),
            Just("a"),
            Just("&b"),
            Just("*c"),
            Just("!"),
            Just("|"),
            Just("\u{1}"),
            Just("yes"),
            Just("1.0"),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    /// Each text between two lines that cannot be in one: one process answers for all.
    const MARK: &str = "\u{1}\u{2}MARK\u{2}\u{1}";

    #[test]
    fn a_shell_reads_back_every_word() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let texts: Vec<String> =
            (0..300).map(|_| hostile().new_tree(&mut runner).unwrap().current()).collect();
        let script: String = texts
            .iter()
            .flat_map(|text| {
                ["printf '%s' ".into(), word(text.clone()).unwrap(), format!("\nprintf '%s' '{MARK}'\n")]
            })
            .collect();
        for shell in ["sh", "bash"] {
            let out = Command::new(shell).arg("-c").arg(&script).output().unwrap();
            assert!(out.status.success());
            let out = String::from_utf8(out.stdout).unwrap();
            let read: Vec<&str> = out.split(MARK).collect();
            assert_eq!(read[..texts.len()], texts, "{shell}");
        }
        assert!(word("a\0b".into()).is_err());
    }

    #[test]
    fn pythons_shlex_reads_back_every_word_of_a_kickstart_command() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let (mut texts, mut lines) = (vec![], String::new());
        for _ in 0..300 {
            let text = hostile().new_tree(&mut runner).unwrap().current();
            match kickstart(text.clone()) {
                Ok(word) => {
                    lines.push_str(&format!("url --url={word} # {MARK}\n"));
                    texts.push(text);
                }
                Err(_) => assert!(text.contains(|c: char| c.is_control()), "{text:?}"),
            }
        }
        assert!(texts.len() > 50);
        // Lines end as in Python's text files, not where Unicode says so.
        let program = "import json,shlex,sys\nprint(json.dumps([shlex.split(l, comments=True)[1] for l in sys.stdin.read().split('\\n') if l]))";
        let read: Vec<String> = serde_json::from_str(&python(program, &lines)).unwrap();
        let expected: Vec<String> = texts.iter().map(|text| format!("--url={text}")).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn pyyaml_reads_back_every_value_and_every_block() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let texts: Vec<String> =
            (0..400).map(|_| hostile().new_tree(&mut runner).unwrap().current()).collect();
        let mut document = String::new();
        for text in &texts {
            document.push_str(&format!("- {}\n", yaml(&Value::from(text.clone())).unwrap()));
            document.push_str(&format!("- {}\n", block(text.clone(), 4).unwrap()));
        }
        let program =
            "import json,sys,yaml;json.dump(yaml.safe_load(sys.stdin.buffer.read().decode()),sys.stdout)";
        let read: Vec<String> = serde_json::from_str(&python(program, &document)).unwrap();
        let expected: Vec<String> = texts.iter().flat_map(|text| [text.clone(), text.clone()]).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn scripts_are_blocks_that_people_can_read() {
        assert_eq!(
            block("set -e\n  echo: a\n\necho b\n".into(), 2).unwrap(),
            "|\n  set -e\n    echo: a\n\n  echo b"
        );
        assert_eq!(block("one line".into(), 2).unwrap(), "\"one line\"");
    }

    #[test]
    fn lines_that_would_end_a_kickstart_section_are_refused() {
        assert_eq!(section("echo a\n".into()).unwrap(), "echo a");
        let error = section("echo a\n  %end\nreboot".into()).unwrap_err().to_string();
        assert!(error.contains("line 2 of the script begins with `%end`"), "{error}");
    }

    #[test]
    fn preseeded_values_are_the_rest_of_a_line() {
        assert_eq!(preseed("a # b".into()).unwrap(), "a # b");
        for wrong in ["a\nb", "a\\", " a", "a\u{85}b"] {
            assert!(preseed(wrong.into()).is_err(), "{wrong:?}");
        }
    }
}
