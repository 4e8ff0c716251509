//! The files about what is where: looked at before anything is begun, written at the end.
use crate::{
    cli::{args::TableArgs, problem::Problem},
    cx::BuildId,
    publish::table::{Row, Run, Words, ami_ids, csv, manifest, markdown},
};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

impl TableArgs {
    /// What the images do not say themselves.
    pub(super) fn words(&self) -> Words {
        Words { distribution: self.distribution.clone(), version: self.release.clone() }
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.csv, &self.markdown, &self.ami_ids, &self.manifest].into_iter().flatten()
    }

    /// Whether the files can be written, before hours of copying.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let mut seen = Vec::new();
        for path in self.paths() {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if folder.is_some_and(|folder| !folder.is_dir()) || path.is_dir() {
                return Err(Problem::usage(format!("`{}` cannot be written", path.display()))
                    .hint("its folder must exist, and it must not be one"));
            }
            if seen.contains(&path) {
                return Err(Problem::usage(format!("two tables would be written to `{}`", path.display())));
            }
            seen.push(path);
        }
        if let Some(path) = &self.manifest {
            manifest(&before(path)?, &[], &Run { id: String::new(), time: 0 })
                .map_err(|error| Problem::host(format!("could not read `{}`", path.display()), error))?;
        }
        Ok(())
    }

    /// Writes all files that were asked for.
    pub(super) fn write(&self, rows: &[Row]) -> Result<(), Problem> {
        if let Some(path) = &self.csv {
            put(path, &csv(rows))?;
        }
        if let Some(path) = &self.markdown {
            put(path, &markdown(rows))?;
        }
        if let Some(path) = &self.ami_ids {
            put(path, &ami_ids(rows))?;
        }
        if let Some(path) = &self.manifest {
            let id = BuildId::random().uuid("manifest").to_string();
            let run = Run { id, time: jiff::Timestamp::now().as_second() };
            let text = manifest(&before(path)?, rows, &run)
                .map_err(|error| Problem::host(format!("could not read `{}`", path.display()), error))?;
            put(path, &text)?;
        }
        Ok(())
    }
}

/// What a manifest holds already; nothing if there is none.
fn before(path: &Path) -> Result<String, Problem> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Problem::host(format!("could not read `{}`", path.display()), error)),
    }
}

/// Writes a file in one piece: whoever reads it meanwhile sees the old one or the new one.
fn put(path: &Path, text: &str) -> Result<(), Problem> {
    let failed =
        |error: std::io::Error| Problem::host(format!("could not write `{}`", path.display()), error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
