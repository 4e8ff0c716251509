//! Brings inputs into the cache: what a bundle is filled from, and what a lock is made of.
use super::{BundleError, BundleErrorKind, Card, index::address};
use crate::{
    cx::{Cx, Event, Unit, causes},
    fetch::{FetchError, Fetcher, PlainUrl},
    plan::Input,
    value::{Digest, DigestAlgorithm},
};
use futures_util::StreamExt as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};
use url::Url;

/// So many are fetched at once: enough that small files do not wait for each other's answers.
const AT_ONCE: usize = 6;

/// So many failures are told in full.
const TOLD: usize = 10;

/// An input that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// As it was asked for.
    pub input: Input,
    /// All that needs it.
    pub needed_by: Vec<String>,
    /// SHA-256 of what came.
    pub sha256: Digest,
    /// Its length.
    pub bytes: u64,
    /// Where it is: in the cache, or where the user has it.
    pub path: PathBuf,
}

impl Gathered {
    /// What a bundle says of it.
    pub fn card(&self) -> Card {
        let sha512 = self.input.digest.clone().filter(|digest| digest.algorithm() == DigestAlgorithm::Sha512);
        Card {
            sha256: self.sha256.clone(),
            sha512,
            bytes: self.bytes,
            kind: self.input.kind,
            urls: vec![address(&self.input.url)],
            needed_by: self.needed_by.clone(),
        }
    }
}

/// Fetches all inputs, several at once. What was fetched before and has a digest comes out of the cache, and what was interrupted goes on. If some cannot be
/// fetched, the others are, and all that failed are told.
pub async fn gather(cx: &Cx, fetcher: &Fetcher, inputs: &[Input]) -> Result<Vec<Gathered>, BundleError> {
    let what = "inputs";
    let wanted = once(inputs)?;
    let total = wanted.len();
    let show = |done: usize| {
        cx.emit(Event::Progress {
            what: what.to_owned(),
            done: done as u64,
            total: Some(total as u64),
            unit: Unit::Items,
        });
    };
    show(0);
    let fetches = wanted
        .iter()
        .enumerate()
        .map(|(number, wanted)| async move { (number, Box::pin(one(cx, fetcher, wanted)).await) });
    let mut fetches = futures_util::stream::iter(fetches).buffer_unordered(AT_ONCE);
    let (mut here, mut failed, mut done) = (BTreeMap::new(), BTreeMap::new(), 0);
    while let Some((number, result)) = fetches.next().await {
        match result {
            Ok(gathered) => {
                here.insert(number, gathered);
            }
            Err(FetchError::Cancelled(cancelled)) => return Err(cancelled.into()),
            Err(error) => {
                failed.insert(number, error);
            }
        }
        done += 1;
        show(done);
    }
    drop(fetches);
    cx.emit(Event::ProgressFinished { what: what.to_owned() });
    if failed.is_empty() { Ok(here.into_values().collect()) } else { Err(all_failed(&wanted, failed)) }
}

/// Of what is here, that which these inputs are.
pub fn of<'a>(gathered: &'a [Gathered], inputs: &[Input]) -> Vec<&'a Gathered> {
    let wanted: BTreeSet<Url> = inputs.iter().map(|input| address(&input.url)).collect();
    gathered.iter().filter(|one| wanted.contains(&address(&one.input.url))).collect()
}

/// What is to be fetched, and all that needs it.
struct Wanted {
    input: Input,
    needed_by: Vec<String>,
}

async fn one(cx: &Cx, fetcher: &Fetcher, wanted: &Wanted) -> Result<Gathered, FetchError> {
    let input = wanted.input.clone();
    let fetched = fetcher.get(cx, std::slice::from_ref(&input.url), input.digest.as_ref()).await?;
    let sha256 = match fetched.digest.algorithm() {
        DigestAlgorithm::Sha256 => fetched.digest,
        DigestAlgorithm::Sha512 => fetcher.local(cx, &fetched.path, None).await?.digest,
    };
    Ok(Gathered {
        input,
        needed_by: wanted.needed_by.clone(),
        sha256,
        bytes: fetched.bytes,
        path: fetched.path,
    })
}

/// Each address once: several things may need a file. They must agree about what it is.
fn once(inputs: &[Input]) -> Result<Vec<Wanted>, BundleError> {
    let mut wanted: BTreeMap<Url, Wanted> = BTreeMap::new();
    for input in inputs {
        let fresh = || Wanted { input: input.clone(), needed_by: Vec::new() };
        let known = wanted.entry(address(&input.url)).or_insert_with(fresh);
        match (&known.input.digest, &input.digest) {
            (Some(one), Some(other)) if one.algorithm() == other.algorithm() && one != other => {
                let attempt = format!("fetch `{}`", PlainUrl(&input.url));
                return Err(BundleError::new(BundleErrorKind::Usage, attempt).because(format!(
                    "{} wants the file with {one}, and {} the one with {other}",
                    known.input.needed_by, input.needed_by
                )));
            }
            (None, Some(digest)) => known.input.digest = Some(digest.clone()),
            _ => {}
        }
        known.input.kind = known.input.kind.min(input.kind);
        if !known.needed_by.contains(&input.needed_by) {
            known.needed_by.push(input.needed_by.clone());
        }
    }
    Ok(wanted.into_values().collect())
}

fn all_failed(wanted: &[Wanted], failed: BTreeMap<usize, FetchError>) -> BundleError {
    let (count, mut told, mut first) = (failed.len(), Vec::new(), None);
    for (number, error) in failed {
        if told.len() < TOLD {
            let by = wanted[number].needed_by.join(", ");
            told.push(format!("{} (needed by {by})", causes(&error).join(": ")));
        }
        first.get_or_insert((number, error));
    }
    match (count, first) {
        (1, Some((number, error))) => BundleError::fetch(
            format!("collect what is needed by {}", wanted[number].needed_by.join(", ")),
            error,
        ),
        (_, first) => {
            let more = count.saturating_sub(told.len());
            if more > 0 {
                told.push(format!("and {more} more"));
            }
            let attempt = format!("collect {count} of {} inputs", wanted.len());
            let error = BundleError::new(BundleErrorKind::Other, attempt).because(told.join("; "));
            error.maybe_hint(first.and_then(|(_, error)| error.hint()))
        }
    }
}
