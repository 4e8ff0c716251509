//! `shell`: a script.
use super::file;
use crate::definition::{
    problem::Span,
    raw::ShellChoice,
    reader::{At, Field, Reader},
    resolve::check,
    scalar::{List, Map, SecretText, Text},
};
use crate::plan::ShellStep;
use std::collections::BTreeMap;

pub(super) fn resolve(
    At { value: shell, span: place }: At<ShellChoice>,
    script_name: &mut Option<String>,
    reader: &mut Reader<'_>,
) -> Option<ShellStep> {
    let raw = match shell {
        ShellChoice::Script(SecretText(script)) => {
            not_blank(&script, &place, reader)?;
            return Some(ShellStep {
                script,
                env: BTreeMap::new(),
                user: None,
                creates: None,
                exit_codes: vec![0],
            });
        }
        ShellChoice::Table(raw) => raw,
    };
    let is_bad = matches!(raw.run, Field::Bad) || matches!(raw.script_file, Field::Bad);
    let given = [("run", raw.run.span()), ("script-file", raw.script_file.span())];
    let one_given = !is_bad && check::exactly_one(&place, "`shell`", &given, reader);
    let script = match (raw.run, raw.script_file) {
        _ if !one_given => None,
        (Field::Good(At { value: SecretText(script), span }), _) => {
            not_blank(&script, &span, reader).map(|()| script)
        }
        (_, Field::Good(file)) => {
            *script_name = Some(file.value.0.text.clone());
            script_file(file, reader)
        }
        _ => None,
    };
    let env = raw.env.or(Map::new()).and_then(|env| environment(env, reader));
    let user = check::account(raw.user, reader);
    let creates = check::guest_path(raw.creates, reader);
    let exit_codes = match raw.exit_codes.maybe() {
        Some(None) => Some(vec![0]),
        Some(Some(list)) => exit_codes(list, reader),
        None => None,
    };
    Some(ShellStep { script: script?, env: env?, user: user?, creates: creates?, exit_codes: exit_codes? })
}

fn not_blank(script: &str, place: &Span, reader: &mut Reader<'_>) -> Option<()> {
    check::holds(place, !script.trim().is_empty(), reader, || "the script is empty".to_owned())
}

/// The text of a script file, in which nothing is replaced.
fn script_file(at: At<Text>, reader: &mut Reader<'_>) -> Option<String> {
    let (path, script) = reader.neighbour(&at.value.0.text);
    let script = match script {
        Ok(script) => script,
        Err(error) => {
            reader.report(&at.span, format!("cannot read the script `{}`", path.display())).cause(error);
            return None;
        }
    };
    not_blank(&script, &at.span, reader)?;
    let fault = if script.contains('\0') {
        "it holds a NUL character, which the shell does not take"
    } else if script.contains("${secret.") {
        "it holds `${secret.`, but script files are taken as they are: give it the secret by `env`"
    } else if reader.templated {
        return Some(file::literal(script));
    } else {
        return Some(script);
    };
    reader.report(&at.span, format!("cannot use the script `{}`", path.display())).label(fault);
    None
}

fn environment(env: Map<SecretText>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let mut all_right = true;
    let mut variables = BTreeMap::new();
    for (name, entry) in env {
        let right = check::is_word(&name, "_") && !name.starts_with(|first: char| first.is_ascii_digit());
        let named = check::holds(&entry.key, right, reader, || {
            format!("`{}` cannot name an environment variable", name.escape_debug())
        });
        all_right &= named.is_some();
        variables.insert(name, entry.value.value.0);
    }
    all_right.then_some(variables)
}

fn exit_codes(list: At<List<u32>>, reader: &mut Reader<'_>) -> Option<Vec<u32>> {
    check::holds(&list.span, !list.value.is_empty(), reader, || {
        "without any exit code that means success, the step always fails".to_owned()
    })?;
    let mut all_right = true;
    for code in &list.value {
        let fits = check::holds(&code.span, code.value <= 255, reader, || {
            format!("{} is no exit code: they go from 0 to 255", code.value)
        });
        all_right &= fits.is_some();
    }
    all_right.then(|| list.value.into_iter().map(|code| code.value).collect())
}
