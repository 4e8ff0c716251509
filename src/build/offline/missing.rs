//! What an offline build would ask for in vain, told before anything is made.
use super::SHOWN;
use crate::{
    build::{BuildError, BuildErrorKind, inputs},
    cx::Cx,
    fetch::{self, COLLECT, Fetcher, PlainUrl},
    plan::{Input, InputKind, Plan},
};
use std::fmt::Write as _;

/// An error that names every input of `plan` which is neither collected, nor in the cache, nor at an allowed host.
pub(in crate::build) async fn missing(cx: &Cx, plan: &Plan, fetcher: &Fetcher) -> Result<(), BuildError> {
    let gate = fetcher.gate();
    let found = inputs(cx, plan, fetcher, None).await;
    // To find out what is needed, some of it is read.
    let refused = gate.take_refused();
    let found = found.map_err(|error| if refused.is_empty() { error } else { error.hint(COLLECT) })?;
    let missing: Vec<&Input> = found.files.iter().filter(|input| !is_there(fetcher, input)).collect();
    if missing.is_empty() {
        for unknown in &found.unknowable {
            cx.events().warn(
                format!("whether all is there cannot be known: {} ({})", unknown.what, unknown.needed_by),
                unknown.hint.clone(),
            );
        }
        return Ok(());
    }
    Err(BuildError::new(BuildErrorKind::Preflight, told(&missing, &gate.names())).hint(COLLECT))
}

/// What of the inputs of `plan` is neither collected, nor in the cache, nor at an allowed host. What nobody can know is not among them.
pub async fn lacking(
    cx: &Cx,
    plan: &Plan,
    fetcher: &Fetcher,
    guest: Option<&str>,
) -> Result<Vec<Input>, BuildError> {
    let found = inputs(cx, plan, fetcher, guest).await?;
    fetcher.gate().take_refused();
    Ok(found.files.into_iter().filter(|input| !is_there(fetcher, input)).collect())
}

fn is_there(fetcher: &Fetcher, input: &Input) -> bool {
    // Package managers ask by address; what else there is of the same content is of no use to them.
    let by_address = matches!(input.kind, InputKind::Package | InputKind::PackageIndex);
    let digest = input.digest.as_ref().filter(|_| !by_address);
    fetcher.gate().lets_through(&input.url, digest)
        || digest.is_some_and(|digest| fetch::cached(fetcher.folder(), digest).is_some())
}

/// `missing from site.bundle: 2 files: …`, one a line.
fn told(missing: &[&Input], names: &[String]) -> String {
    let from = if names.is_empty() {
        "here, and no bundle was given".to_owned()
    } else {
        format!("from {}", names.join(" and from "))
    };
    let count = if missing.len() == 1 { "1 file".to_owned() } else { format!("{} files", missing.len()) };
    let mut text = format!("missing {from}: {count}:");
    for input in missing.iter().take(SHOWN) {
        let _ = write!(text, "\n  {} ({})", PlainUrl(&input.url), input.needed_by);
    }
    if missing.len() > SHOWN {
        let _ = write!(text, "\n  and {} more", missing.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_who_needs_it() {
        let input = |path: &str| Input {
            url: format!("https://example.com/{path}?token=x").parse().unwrap(),
            digest: None,
            bytes: None,
            kind: InputKind::File,
            needed_by: format!("step 3 (image.toml:40): get {path}"),
        };
        let (a, b) = (input("a"), input("b"));
        assert_eq!(
            told(&[&a, &b], &["site.bundle".into()]),
            "missing from site.bundle: 2 files:\n  https://example.com/a (step 3 (image.toml:40): get a)\n  \
             https://example.com/b (step 3 (image.toml:40): get b)"
        );
        assert!(told(&[&a], &[]).starts_with("missing here, and no bundle was given: 1 file:"));
        let many = [&a; 23];
        assert!(told(&many, &[]).ends_with("\n  and 3 more"));
    }
}
