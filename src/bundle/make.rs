//! Bundles as files: written under a temporary name, and under their own when they are whole.
use super::{
    BundleError, BundleErrorKind, Bundles, Card, Gathered, Manner, Source, Verdict, Written,
    extract::extract, verify::verify, write::write,
};
use crate::{
    cx::{Cancelled, Cx},
    fetch::Stock as _,
    value::Digest,
    wire::Bar,
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Read, Write as _},
    path::{Path, PathBuf},
};

/// Writes what was gathered into a bundle at `to`. What is in the bundles of `since` is left out.
pub async fn create(
    cx: &Cx,
    gathered: Vec<Gathered>,
    to: &Path,
    (level, since): (i32, Option<Bundles>),
) -> Result<Written, BundleError> {
    let sources = gathered
        .into_iter()
        .map(|gathered| {
            let card = gathered.card();
            let open = move || Ok(Box::new(File::open(&gathered.path)?) as Box<dyn Read + Send>);
            Source { card, open: Box::new(open) }
        })
        .collect();
    put(cx, sources, to, level, since).await
}

/// Writes the files of `bundles` into one bundle at `to` that needs no other: all, or those of the newest only.
pub async fn merge(
    cx: &Cx,
    bundles: &Bundles,
    newest: bool,
    to: &Path,
    level: i32,
) -> Result<Written, BundleError> {
    let cards = if newest { bundles.newest() } else { bundles.cards() };
    let sources = cards
        .into_iter()
        .map(|card: Card| {
            let (bundles, sha256) = (bundles.clone(), card.sha256.clone());
            let open = move || Ok(Box::new(bundles.read(&sha256, 0)?) as Box<dyn Read + Send>);
            Source { card, open: Box::new(open) }
        })
        .collect();
    put(cx, sources, to, level, None).await
}

async fn put(
    cx: &Cx,
    sources: Vec<Source<'static>>,
    to: &Path,
    level: i32,
    since: Option<Bundles>,
) -> Result<Written, BundleError> {
    let part = beside(cx, to);
    let undo = cx.plan_path(&part)?;
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    // What came under several addresses is written once.
    let total = {
        let each = sources.iter().map(|source| (&source.card.sha256, source.card.bytes));
        each.collect::<BTreeMap<&Digest, u64>>().values().sum()
    };
    let bar = Bar::new(cx, format!("write {name}"), Some(total));
    let (writing, target) = (part.clone(), to.to_owned());
    let written = threaded(cx, bar, move |passed| {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&writing)?);
        let written = write(&mut file, sources, Manner { level, since: since.as_ref() }, passed)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        std::fs::rename(&writing, &target)?;
        Ok(written)
    })
    .await
    .map_err(|error| of_thread("write", to, error))?;
    cx.undo().keep(undo)?;
    Ok(written)
}

/// Reads all that is in `bundles`, and tells what is damaged.
pub async fn verified(cx: &Cx, bundles: &Bundles) -> Result<Verdict, BundleError> {
    let total = bundles.about().iter().map(|about| about.total).sum();
    let bar = Bar::new(cx, "verify", Some(total));
    let reading = bundles.clone();
    let verdict = threaded(cx, bar, move |passed| verify(&reading, passed)).await;
    verdict.map_err(|error| of_thread("read", Path::new(&bundles.name()), error))
}

/// Writes files of `bundles` to their paths. Each has its name when it is whole and was compared with its digest.
pub async fn extract_all(cx: &Cx, bundles: &Bundles, files: &[(PathBuf, Card)]) -> Result<(), BundleError> {
    let total: u64 = files.iter().map(|(_, card)| card.bytes).sum();
    let mut done = 0;
    for (to, card) in files {
        if let Some(folder) = to.parent() {
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(|error| BundleError::io("make the folder", folder, error))?;
        }
        let part = beside(cx, to);
        let undo = cx.plan_path(&part)?;
        let (bundles, card, target) = (bundles.clone(), card.clone(), to.clone());
        let bar = Bar::new(cx, "extract", Some(total));
        let written = threaded(cx, bar, move |passed| {
            extract(&bundles, &card, (&part, &target), &mut |more| {
                done += more;
                passed(done)
            })?;
            Ok(done)
        });
        done = written.await.map_err(|error| of_thread("write", to, error))?;
        cx.undo().keep(undo)?;
    }
    Ok(())
}

/// The temporary name of a file that is on its way to `to`.
pub(super) fn beside(cx: &Cx, to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".goldsmith-{}-{name}", cx.id()))
}

/// Work that reads and writes, on a thread of its own. It tells how far it is, and ends when the user says so.
pub(super) async fn threaded<T: Send + 'static>(
    cx: &Cx,
    mut bar: Bar,
    work: impl FnOnce(&mut dyn FnMut(u64) -> io::Result<()>) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let stop = cx.stop().clone();
    let work = move || {
        work(&mut |done| {
            bar.show(done);
            stop.check().map_err(|cancelled| io::Error::new(io::ErrorKind::Interrupted, cancelled))
        })
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(io::Error::new(io::ErrorKind::Interrupted, Cancelled)),
    }
}

/// What [`threaded`] failed with, as an error of ours; `action` is the verb.
pub(super) fn of_thread(action: &str, path: &Path, error: io::Error) -> BundleError {
    if error.get_ref().is_some_and(|inner| inner.is::<Cancelled>()) {
        return BundleError::new(BundleErrorKind::Cancelled, format!("{action} `{}`", path.display()))
            .because(Cancelled);
    }
    BundleError::io(action, path, error)
}
