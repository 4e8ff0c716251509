//! `goldsmith lock`, and what `build --locked` compares.
use super::{Needs, gathered, line, run as run_task};
use crate::{
    bundle::{BundleError, Gathered, LOCK, Lock, of},
    cli::{args, commands::door, console::Console, exit::Exit, problem::Problem, words::count},
    cx::Cx,
    fetch::Fetcher,
    plan::Plan,
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
};

/// The lock of a definition.
fn beside(definition: &Path) -> PathBuf {
    definition.with_file_name(LOCK)
}

pub(in crate::cli::commands) fn run(arguments: &args::Lock, console: &Console) -> Result<Exit, Problem> {
    let definitions = &arguments.definitions;
    let plans = match door::all_plans(definitions, console)? {
        Ok(plans) => plans,
        Err(exit) => return Ok(exit),
    };
    let subject = definitions.files.first().map_or(Path::new(LOCK), PathBuf::as_path);
    let (made, exit) = run_task(console, ("lock", subject), async |cx, dirs| {
        let (needs, gathered) =
            gathered(cx, &Fetcher::new(dirs.cache()), &plans, (arguments.guest.as_deref(), &[])).await?;
        Ok((write(cx, &needs, &gathered).await?, gathered.len()))
    })?;
    let Some((locks, files)) = made else { return Ok(exit) };
    if console.json() {
        line(console, &serde_json::json!({ "event": "locked", "locks": locks, "inputs": files }))?;
        return Ok(exit);
    }
    let theme = console.err_theme();
    for lock in &locks {
        console.note(&format!("{} {} ({})", theme.mark(true), theme.path(lock), count(files, "input")));
        if !console.out_is_terminal() {
            console.out(&lock.display().to_string());
        }
    }
    Ok(exit)
}

/// Writes the locks of all definitions; what they say of other builds stays.
pub(super) async fn write(
    cx: &Cx,
    needs: &[Needs],
    gathered: &[Gathered],
) -> Result<Vec<PathBuf>, BundleError> {
    let mut locks: BTreeMap<PathBuf, Lock> = BTreeMap::new();
    for one in needs {
        let path = beside(&one.definition);
        let lock = match locks.entry(path) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let lock = if free.key().exists() { Lock::read(free.key())? } else { Lock::default() };
                free.insert(lock)
            }
        };
        lock.put(&one.build, &of(gathered, &one.files));
    }
    for (path, lock) in &locks {
        lock.write(cx, path).await?;
    }
    Ok(locks.into_keys().collect())
}

/// Compares what builds need with what is locked, before anything is made. Returns how the command ends if they must not begin; why was told.
pub(in crate::cli::commands) fn check(
    plans: &[Plan],
    guest: Option<&str>,
    fetcher: &Fetcher,
    console: &Console,
) -> Result<Option<Exit>, Problem> {
    let mut locks = BTreeMap::new();
    for plan in plans {
        if let Entry::Vacant(free) = locks.entry(beside(&plan.definition)) {
            let lock = Lock::read(free.key()).map_err(Problem::Bundle)?;
            free.insert(lock);
        }
    }
    let subject = plans.first().map_or(Path::new(LOCK), |plan| plan.definition.as_path());
    let (held, exit) = run_task(console, ("check-lock", subject), async |cx, _| {
        let (needs, gathered) = gathered(cx, fetcher, plans, (guest, &[])).await?;
        for one in &needs {
            let path = beside(&one.definition);
            if let Some(lock) = locks.get(&path) {
                lock.check(&path, &one.build, &of(&gathered, &one.files))?;
            }
        }
        Ok(())
    })?;
    Ok(if held.is_some() && exit == Exit::Ok { None } else { Some(exit) })
}
