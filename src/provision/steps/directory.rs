//! `directory`: a folder, and what a folder of this host has for it.
use super::{edit::parent, file};
use crate::{
    guest::{Command, TreeEntry, TreeKind, TreeTarget, quote, tree},
    plan::DirectoryStep,
    provision::{
        checks::{CheckSpec, Expect, Tree, Voided, lasts},
        runner::{StepError, Worker},
    },
};
use std::{os::unix::ffi::OsStrExt, path::Path};

pub(in crate::provision) async fn run(worker: &Worker<'_>, step: &DirectoryStep) -> Result<(), StepError> {
    worker.script(script(step)).await?;
    let Some(source) = step.source.as_deref().map(file::local) else { return Ok(()) };
    if step.delete {
        let entries = entries(&source).await?;
        let command = Command::script(worker.label, DELETE.replace("FOLDER", &quote(&step.path)));
        worker.expect(command.stdin(names(&entries)), &[0]).await?;
    }
    let plain = TreeTarget::new(&step.path);
    let target = TreeTarget {
        owner: step.owner.clone().unwrap_or(plain.owner),
        group: step.group.clone().unwrap_or(plain.group),
        file_mode: step.file_mode.unwrap_or(plain.file_mode),
        folder_mode: step.mode.unwrap_or(plain.folder_mode),
        folder: plain.folder,
        timeout: worker.timeout.get(),
    };
    let size = worker.guest.upload_tree(worker.cx, &source, &target).await?;
    worker.cx.events().notice(format!("{} files in {} folders", size.files, size.folders + 1));
    Ok(())
}

async fn entries(source: &Path) -> Result<Vec<TreeEntry>, StepError> {
    let local = |source_error| StepError::Local { path: source.to_owned(), source: source_error };
    let folder = source.to_owned();
    let walked = tokio::task::spawn_blocking(move || tree(&folder)).await;
    walked.map_err(|error| local(std::io::Error::other(error)))?.map_err(local)
}

/// Removes what is there and not among the names on standard input. Something of another kind is something else, except for a link to a
/// folder where a folder is to be: /lib is one. What is in such a link stays.
const DELETE: &str = "\
cd -- FOLDER
w=$(mktemp -d)
trap 'rm -rf -- \"$w\"' EXIT
LC_ALL=C sort -z >\"$w/keep\"
find . -mindepth 1 \\( -xtype d -printf '%P/\\0' -o -printf '%P\\0' \\) | LC_ALL=C sort -z >\"$w/there\"
LC_ALL=C comm -z -13 \"$w/keep\" \"$w/there\" | sed -z 's|/$||' | xargs -0 -r rm -rf --
";

/// The names for [`DELETE`], each ended by a NUL; those of folders end with a slash.
fn names(entries: &[TreeEntry]) -> Vec<u8> {
    let mut names = Vec::new();
    for entry in entries {
        names.extend_from_slice(entry.path.as_os_str().as_bytes());
        if entry.kind == TreeKind::Folder {
            names.push(b'/');
        }
        names.push(0);
    }
    names
}

/// The script that does `step`.
pub(in crate::provision) fn script(step: &DirectoryStep) -> String {
    let mut script = format!("d={}\n", quote(&step.path));
    if step.absent {
        // Of a link, only the link goes.
        script.push_str("rm -rf -- \"$d\"\n");
        return script;
    }
    script.push_str(&format!(
        "if [ -d \"$d\" ]; then new=; else\n\
         \x20 if [ -e \"$d\" ] || [ -L \"$d\" ]; then echo \"$d is there and is no folder\" >&2; exit 1; fi\n\
         \x20 mkdir -p -- {}; new=yes; mkdir -- \"$d\"\n\
         fi\n",
        quote(parent(&step.path))
    ));
    if step.empty {
        script.push_str("find -H \"$d\" -mindepth 1 -delete\n");
    }
    if step.owner.is_some() || step.group.is_some() {
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        let owner = format!("{}:{}", name(&step.owner), name(&step.group));
        // `chown user:` would also take the group from the user.
        script.push_str(&format!("chown -- {} \"$d\"\n", quote(owner.trim_end_matches(':'))));
    }
    match step.mode {
        Some(mode) => script.push_str(&format!("chmod {:04o} \"$d\"\n", mode & 0o7777)),
        None => script.push_str("if [ -n \"$new\" ]; then chmod 0755 \"$d\"; fi\n"),
    }
    script.push_str("if command -v restorecon >/dev/null; then restorecon -- \"$d\" || true; fi\n");
    script
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &DirectoryStep) -> Vec<CheckSpec> {
    if !lasts(&step.path) {
        return vec![];
    }
    let subject = format!("path {}", step.path);
    let path = quote(&step.path);
    if step.absent {
        let script = format!("if [ -e {path} ] || [ -L {path} ]; then echo there; else echo absent; fi");
        let name = format!("`{}` does not exist", step.path);
        let spec = CheckSpec::new(subject, name, script, Expect::Text("absent".into()));
        return vec![spec.voiding(Voided::Below(step.path.clone()))];
    }
    // Only what the step says, in the words that `stat` has for it.
    let by = |name: &str, letters: [&'static str; 2]| {
        if name.bytes().all(|b| b.is_ascii_digit()) { letters[0] } else { letters[1] }
    };
    let (mut format, mut expected) = (vec!["%F"], vec!["directory".to_owned()]);
    if let Some(mode) = step.mode {
        format.push("%a");
        expected.push(format!("{:o}", mode & 0o7777));
    }
    if let Some(owner) = &step.owner {
        format.push(by(owner, ["%u", "%U"]));
        expected.push(owner.clone());
    }
    if let Some(group) = &step.group {
        format.push(by(group, ["%g", "%G"]));
        expected.push(group.clone());
    }
    let script = format!("stat -L -c '{}' {path} 2>/dev/null || echo missing", format.join(" "));
    let name = format!("folder `{}` is there as defined", step.path);
    let spec = CheckSpec::new(subject, name, script, Expect::Text(expected.join(" ")));
    // What was put there before it was emptied is gone; what comes later is not the folder's concern.
    let spec = if step.empty || step.delete { spec.voiding(Voided::Below(step.path.clone())) } else { spec };
    let mut specs = vec![spec];
    specs.extend(step.source.as_deref().and_then(|source| content(step, &file::local(source))));
    specs
}

/// That the files of `source` are what they are on this host. A folder that cannot be read any more has been sent all the same.
fn content(step: &DirectoryStep, source: &Path) -> Option<CheckSpec> {
    let dest = step.path.trim_end_matches('/');
    let entries = tree(source).unwrap_or_default();
    let files: Vec<String> = entries
        .iter()
        .filter(|entry| entry.kind != TreeKind::Folder)
        .filter_map(|entry| Some(format!("{dest}/{}", entry.path.to_str()?)))
        .collect();
    if files.is_empty() {
        return None;
    }
    let script = format!(
        "cd -- {} 2>/dev/null || {{ echo missing; exit 0; }}\n\
         sums=$(cat); if [ -z \"$sums\" ]; then echo same; exit 0; fi\n\
         o=$(printf '%s\\n' \"$sums\" | sha256sum -c 2>&1 | grep -v ': OK$' | head -n 20)\n\
         if [ -z \"$o\" ]; then echo same; else printf '%s\\n' \"$o\"; fi",
        quote(&step.path)
    );
    let name = format!("`{}` has the files of `{}`", step.path, source.display());
    let tree = Tree { local: source.to_owned(), dest: dest.to_owned(), except: Vec::new() };
    let mut spec =
        CheckSpec::new(format!("path {dest}/*"), name, script, Expect::Text("same".into())).of_tree(tree);
    for file in files {
        spec = spec.voiding(Voided::Below(file));
    }
    Some(spec)
}
