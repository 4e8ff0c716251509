//! Asks a guest all checks in one round trip: under emulation, and across oceans, each costs.
use super::checks::{CheckSpec, Expect, Tree};
use crate::{
    cx::{Check, Cx, Event},
    guest::{CommError, Command, Communicator, TreeKind, capture, quote},
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::io::AsyncReadExt;

/// The checks could not be made. A check that does not hold is no error.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The guest could not be asked.
    #[error("could not ask the guest for its checks")]
    Comm(#[from] CommError),
    /// A file of this host, to compare with, cannot be read.
    #[error("could not read `{}` to compare it with the file in the guest", path.display())]
    Local {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// All that the guest said about one check.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    code: u32,
    text: String,
}

/// Makes all checks as root in `guest` and reports each under `subject`.
pub async fn run_checks(
    cx: &Cx,
    guest: &dyn Communicator,
    subject: &str,
    specs: &[CheckSpec],
) -> Result<Vec<Check>, CheckError> {
    if specs.is_empty() {
        return Ok(vec![]);
    }
    // Nothing that a guest prints can be mistaken for our marks.
    let mark = format!("@check-{}", uuid::Uuid::new_v4().simple());
    let mut inputs = Vec::with_capacity(specs.len());
    for spec in specs {
        inputs.push(match &spec.tree {
            Some(tree) => Some(sums(tree).await?),
            None => None,
        });
    }
    let script = script(&mark, specs, &inputs);
    // The boot may still be going on, and each command of the user has five minutes.
    let limit = Duration::from_secs(600 + 300 * specs.len() as u64);
    let command = Command::script("checks", script).timeout(limit);
    let captured = capture(guest, cx, &command).await?.ok("checks")?;
    let answers = parse(&mark, &captured);
    let mut checks = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let check = judge(cx, spec, answers.get(&index)).await?;
        cx.emit(Event::Checked { subject: subject.to_owned(), check: check.clone() });
        checks.push(check);
    }
    Ok(checks)
}

fn script(mark: &str, specs: &[CheckSpec], inputs: &[Option<String>]) -> String {
    let mut script = format!(
        "export LC_ALL=C\n\
         check() {{\n\
         \x20 o=$(printf '%s' \"${{3-}}\" | /bin/sh -euc \"$2\" 2>&1) && r=0 || r=$?\n\
         \x20 printf '{mark} begin %s\\n' \"$1\"\n\
         \x20 printf '%s\\n' \"$o\" | tail -c 2000\n\
         \x20 printf '\\n{mark} end %s %s\\n' \"$1\" \"$r\"\n\
         }}\n"
    );
    for (index, spec) in specs.iter().enumerate() {
        let input = inputs.get(index).and_then(|input| input.as_deref()).map(quote).unwrap_or_default();
        script.push_str(&format!("check {index} {} {input}\n", quote(&spec.script)));
    }
    script
}

/// The digests of the files that `tree` has sent, in the form of `sha256sum`, which has an escape for what ends a line. Names that are no text are left
/// out: a script cannot name them.
async fn sums(tree: &Tree) -> Result<String, CheckError> {
    let local = |source| CheckError::Local { path: tree.local.clone(), source };
    let folder = tree.local.clone();
    let walked = tokio::task::spawn_blocking(move || crate::guest::tree(&folder)).await;
    let entries = walked.map_err(|error| local(std::io::Error::other(error)))?.map_err(local)?;
    let mut sums = String::new();
    for entry in entries.iter().filter(|entry| entry.kind == TreeKind::File) {
        let Some(name) = entry.path.to_str().filter(|name| tree.counts(&format!("{}/{name}", tree.dest)))
        else {
            continue;
        };
        let digest = digest_of(&tree.local.join(&entry.path)).await?;
        let escaped = name.replace('\\', "\\\\").replace('\n', "\\n");
        let mark = if escaped == name { "" } else { "\\" };
        sums.push_str(&format!("{mark}{digest}  ./{escaped}\n"));
    }
    Ok(sums)
}

fn parse(mark: &str, output: &str) -> BTreeMap<usize, Answer> {
    let mut answers = BTreeMap::new();
    let mut current: Option<(usize, Vec<&str>)> = None;
    for line in output.lines() {
        let Some(words) = line.strip_prefix(mark) else {
            if let Some((_, lines)) = &mut current {
                lines.push(line);
            }
            continue;
        };
        let words: Vec<&str> = words.split_whitespace().collect();
        match (&words[..], current.take()) {
            (["begin", index], _) => current = index.parse().ok().map(|index| (index, vec![])),
            (["end", _, code], Some((index, lines))) => {
                let text = lines.join("\n").trim().to_owned();
                answers.insert(index, Answer { code: code.parse().unwrap_or(u32::MAX), text });
            }
            _ => {}
        }
    }
    answers
}

async fn judge(cx: &Cx, spec: &CheckSpec, answer: Option<&Answer>) -> Result<Check, CheckError> {
    let Some(answer) = answer else {
        return Ok(Check {
            name: spec.name.clone(),
            passed: false,
            expected: "an answer".into(),
            found: "none".into(),
        });
    };
    let text = answer.text.as_str();
    let (passed, expected) = match &spec.expect {
        Expect::Text(expected) => (text == expected, expected.clone()),
        Expect::TextAndDigestOf(head, path) => {
            let expected = format!("{head}{}", digest_of(path).await?);
            (text == expected, expected)
        }
        Expect::AnyOf(words) => (words.iter().any(|word| word == text), words.join(" or ")),
        Expect::OtherId(id) => {
            let is_id = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
            (is_id && text != id, format!("an id other than {id}"))
        }
        Expect::AtLeast(least) => {
            (text.parse::<u64>().is_ok_and(|n| n >= *least), format!("at least {least}"))
        }
        Expect::Success => (answer.code == 0, "exit code 0".to_owned()),
    };
    // A script that failed found nothing, whatever it printed before.
    let passed = passed && answer.code == 0;
    let mut found = cx.redactor().redact(text);
    if answer.code != 0 {
        let rest = if found.is_empty() { String::new() } else { format!(": {found}") };
        found = format!("exit code {}{rest}", answer.code);
    }
    Ok(Check { name: spec.name.clone(), passed, expected, found })
}

async fn digest_of(path: &Path) -> Result<String, CheckError> {
    let local = |source| CheckError::Local { path: path.to_owned(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(local)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = file.read(&mut buffer).await.map_err(local)?;
        if n == 0 {
            return Ok(hex::encode(digest.finalize()));
        }
        digest.update(&buffer[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_survive_whatever_a_check_prints() {
        let output = "noise\n@m begin 0\nline\n@check-other begin 7\n\n@m end 0 0\n@m begin 1\n\n@m end 1 3\n\
                      @m begin 2\ncut off";
        let answers = parse("@m", output);
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[&0], Answer { code: 0, text: "line\n@check-other begin 7".into() });
        assert_eq!(answers[&1], Answer { code: 3, text: String::new() });
    }
}
