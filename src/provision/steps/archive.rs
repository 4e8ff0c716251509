//! `archive`: unpacked by the guest's own tar or unzip.
use super::{
    edit::glob,
    shell,
    transfer::{Arrived, bring_for_use},
};
use crate::guest::quote;
use crate::plan::ArchiveStep;
use crate::provision::{
    Secrets,
    checks::{CheckSpec, Expect, Voided, lasts},
    runner::{StepError, Worker},
};

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    step: &ArchiveStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    if let Some(path) = &step.creates
        && shell::exists(worker, path).await?
    {
        worker.cx.events().notice(format!("`{}` is skipped: `{path}` exists", worker.label));
        return Ok(());
    }
    let arrived = bring_for_use(worker, secrets, &step.from).await?;
    worker.script(script(step, &arrived)).await?;
    match &step.creates {
        Some(path) if !shell::exists(worker, path).await? => {
            Err(StepError::NotCreated { path: path.clone() })
        }
        _ => Ok(()),
    }
}

/// What an archive is, by its name; tar finds out by itself how it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tar(Option<(&'static str, &'static str)>),
    Zip,
}

fn kind(name: &str) -> Kind {
    let name = name.to_ascii_lowercase();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    // The program that tar needs, and the package that has it.
    if ends(&[".zip", ".jar", ".whl"]) {
        Kind::Zip
    } else if ends(&[".xz", ".txz"]) {
        Kind::Tar(Some(("xz", "xz-utils or xz")))
    } else if ends(&[".zst", ".tzst"]) {
        Kind::Tar(Some(("zstd", "zstd")))
    } else if ends(&[".bz2", ".tbz", ".tbz2"]) {
        Kind::Tar(Some(("bzip2", "bzip2")))
    } else if ends(&[".gz", ".tgz"]) {
        Kind::Tar(Some(("gzip", "gzip")))
    } else {
        Kind::Tar(None)
    }
}

fn needs(program: &str, package: &str) -> String {
    format!(
        "if ! command -v {program} >/dev/null; then\n\
         \x20 echo '{program} is not there to unpack with: install the package {package} first' >&2; exit 1\nfi\n"
    )
}

/// The script that unpacks what has arrived.
fn script(step: &ArchiveStep, arrived: &Arrived) -> String {
    let mut script = format!("a={}\nd={}\nw=$(mktemp -d)\n", quote(&arrived.path), quote(&step.dest));
    let gone = if arrived.temporary { " \"$a\"" } else { "" };
    script.push_str(&format!("x=\ntrap 'rm -rf -- \"$w\"{gone} ${{x:+\"$x\"}}' EXIT\nmkdir -p -- \"$d\"\n"));
    let chosen = !step.include.is_empty() || !step.exclude.is_empty();
    if chosen {
        script.push_str(&wanted(step));
    }
    match kind(&arrived.name) {
        Kind::Tar(program) => {
            script.push_str(&needs("tar", "tar"));
            if let Some((program, package)) = program {
                script.push_str(&needs(program, package));
            }
            script.push_str(&tar(step, chosen));
        }
        Kind::Zip => {
            script.push_str(&needs("unzip", "unzip"));
            script.push_str(&zip(step, chosen));
        }
    }
    script.push_str("cd -- \"$d\"\n");
    if step.owner.is_some() || step.group.is_some() {
        let owner =
            format!("{}:{}", step.owner.as_deref().unwrap_or(""), step.group.as_deref().unwrap_or(""));
        script.push_str(&format!(
            "tr '\\n' '\\000' <\"$w/new\" | xargs -0 -r chown -h -- {}\n",
            quote(owner.trim_end_matches(':'))
        ));
    }
    if let Some(mode) = step.mode {
        script.push_str(&format!(
            "while IFS= read -r f; do if [ -f \"$f\" ] && [ ! -L \"$f\" ]; then chmod {:04o} -- \"$f\"; fi; done <\"$w/new\"\n",
            mode & 0o7777
        ));
    }
    script.push_str("if command -v restorecon >/dev/null; then tr '\\n' '\\000' <\"$w/new\" | xargs -0 -r restorecon -- || true; fi\n");
    script
}

/// The function that tells which names are wanted; a folder stands for all that is in it.
fn wanted(step: &ArchiveStep) -> String {
    let patterns = |list: &[String]| {
        let each = list.iter().map(|pattern| glob(pattern.trim_start_matches("./").trim_end_matches('/')));
        each.map(|pattern| format!("{pattern}|{pattern}/*")).collect::<Vec<_>>().join("|")
    };
    let mut script = String::from("wanted() {\n  n=${1#./}; n=${n%/}\n");
    if !step.exclude.is_empty() {
        script.push_str(&format!("  case $n in {}) return 1;; esac\n", patterns(&step.exclude)));
    }
    if !step.include.is_empty() {
        script.push_str(&format!("  case $n in {}) return 0;; esac\n  return 1\n", patterns(&step.include)));
    }
    script.push_str("}\n");
    script.push_str(
        "choose() {\n\
         \x20 while IFS= read -r f; do if wanted \"$f\"; then printf '%s\\n' \"$f\"; fi; done\n\
         }\n\
         nothing() { if [ ! -s \"$w/list\" ]; then echo 'nothing in the archive is wanted' >&2; exit 1; fi; }\n",
    );
    script
}

fn tar(step: &ArchiveStep, chosen: bool) -> String {
    // Nothing that is there is changed by a folder of the same name, be it a link or have it another mode.
    let mut options = String::from("set -- --no-overwrite-dir\n");
    options.push_str(
        "if tar --help | grep -q keep-directory-symlink; then set -- \"$@\" --keep-directory-symlink; fi\n",
    );
    if step.owner.is_some() || step.group.is_some() {
        options.push_str("set -- \"$@\" --no-same-owner\n");
    }
    if step.strip > 0 {
        options.push_str(&format!("set -- \"$@\" --strip-components={}\n", step.strip));
    }
    if chosen {
        options.push_str(
            "tar --quoting-style=literal -t -f \"$a\" >\"$w/all\"\nchoose <\"$w/all\" >\"$w/list\"; nothing\n\
             tr '\\n' '\\000' <\"$w/list\" >\"$w/list0\"\nset -- \"$@\" --no-recursion --null -T \"$w/list0\"\n",
        );
    }
    options.push_str(
        "tar --quoting-style=literal --show-transformed-names -C \"$d\" -x -v -f \"$a\" \"$@\" >\"$w/new\"\n",
    );
    options
}

fn zip(step: &ArchiveStep, chosen: bool) -> String {
    if step.strip == 0 && !chosen {
        return "unzip -Z1 \"$a\" >\"$w/new\"\nunzip -o -q \"$a\" -d \"$d\"\n".to_owned();
    }
    // unzip knows neither; so it unpacks beside the place, and each file is moved.
    let all = if chosen { "" } else { "choose() { cat; }\nnothing() { :; }\n" };
    format!(
        "{all}x=$(mktemp -d -- \"$d/.goldsmith.XXXXXXXX\")\nunzip -o -q \"$a\" -d \"$x\"\n\
         (cd -- \"$x\"; find . ! -type d) | sed 's|^\\./||' | choose >\"$w/list\"; nothing\n: >\"$w/new\"\n\
         while IFS= read -r f; do\n\
         \x20 t=$f; i=0; while [ $i -lt {strip} ]; do\n\
         \x20   case $t in */*) t=${{t#*/}};; *) t=;; esac; i=$((i + 1))\n\
         \x20 done\n\
         \x20 [ -n \"$t\" ] || continue\n\
         \x20 case $t in */*) mkdir -p -- \"$d/${{t%/*}}\";; esac\n\
         \x20 mv -f -T -- \"$x/$f\" \"$d/$t\"\n\
         \x20 printf '%s\\n' \"$t\" >>\"$w/new\"\n\
         done <\"$w/list\"\n",
        strip = step.strip
    )
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &ArchiveStep) -> Vec<CheckSpec> {
    if let Some(path) = &step.creates {
        return shell::created(path).into_iter().collect();
    }
    // What is in it is only known to the guest; an empty folder would be wrong in any case.
    if !lasts(&format!("{}/", step.dest.trim_end_matches('/'))) || step.dest == "/" {
        return vec![];
    }
    let script = format!(
        "if [ -n \"$(ls -A -- {} 2>/dev/null)\" ]; then echo filled; else echo empty; fi",
        quote(&step.dest)
    );
    let name = format!("`{}` has what was unpacked", step.dest);
    // What is said about the folder itself still holds; what was said about its files may not.
    let dest = step.dest.trim_end_matches('/');
    let spec = CheckSpec::new(format!("path {dest}/(unpacked)"), name, script, Expect::Text("filled".into()));
    vec![spec.voiding(Voided::Subject(format!("path {dest}/*")))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{FileOrigin, Transfer, Via};
    use crate::provision::steps::tests::{SHELLS, run, try_run};
    use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};
    use test_case::test_case;

    fn step(dest: &Path) -> ArchiveStep {
        let from = Transfer {
            origin: FileOrigin::Guest(String::new()),
            digest: None,
            digest_url: None,
            via: Via::Host,
        };
        ArchiveStep {
            from,
            dest: dest.display().to_string(),
            strip: 0,
            include: vec![],
            exclude: vec![],
            owner: None,
            group: None,
            mode: None,
            creates: None,
        }
    }

    /// An archive of this kind with a few files below `top`.
    fn pack(folder: &Path, name: &str) -> Arrived {
        let tree = folder.join("tree");
        for file in ["top/bin/tool", "top/bin/it's other", "top/doc/readme", "top/lib/x"] {
            std::fs::create_dir_all(tree.join(file).parent().unwrap()).unwrap();
            std::fs::write(tree.join(file), file).unwrap();
        }
        std::fs::set_permissions(tree.join("top/bin/tool"), PermissionsExt::from_mode(0o755)).unwrap();
        let path = folder.join(name);
        let status = if kind(name) == Kind::Zip {
            Command::new("zip").args(["-q", "-r"]).arg(&path).arg("top").current_dir(&tree).status()
        } else {
            Command::new("tar").arg("-caf").arg(&path).arg("top").current_dir(&tree).status()
        };
        assert!(status.unwrap().success());
        Arrived { path: path.display().to_string(), name: name.into(), temporary: true }
    }

    fn files(folder: &Path) -> Vec<String> {
        let out = Command::new("find").args([".", "!", "-type", "d"]).current_dir(folder).output().unwrap();
        let mut files: Vec<String> =
            String::from_utf8(out.stdout).unwrap().lines().map(|f| f[2..].to_owned()).collect();
        files.sort();
        files
    }

    #[test_case("a.tar")]
    #[test_case("a.tar.gz")]
    #[test_case("a.tar.xz")]
    #[test_case("a.tar.zst")]
    #[test_case("a.tar.bz2")]
    #[test_case("a.zip")]
    fn archives_are_unpacked_whole_and_in_parts(name: &str) {
        for shell in SHELLS {
            let folder = tempfile::tempdir().unwrap();
            let whole = folder.path().join("it's whole");
            let arrived = pack(folder.path(), name);
            run(shell, &script(&step(&whole), &arrived));
            assert_eq!(files(&whole), ["top/bin/it's other", "top/bin/tool", "top/doc/readme", "top/lib/x"]);
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode(&whole.join("top/bin/tool")), 0o755);
            assert!(!Path::new(&arrived.path).exists(), "what was brought is gone");

            // A link to a folder, and the mode of a folder, stay as they are.
            let part = folder.path().join("part");
            std::fs::create_dir_all(part.join("real")).unwrap();
            std::os::unix::fs::symlink("real", part.join("bin")).unwrap();
            std::fs::set_permissions(&part, PermissionsExt::from_mode(0o711)).unwrap();
            let chosen = ArchiveStep {
                strip: 1,
                include: vec!["top/bin".into(), "top/d*".into()],
                exclude: vec!["*readme".into()],
                mode: Some(0o700),
                ..step(&part)
            };
            run(shell, &script(&chosen, &pack(folder.path(), name)));
            assert_eq!(files(&part), ["bin", "real/it's other", "real/tool"]);
            assert_eq!((mode(&part), mode(&part.join("real/it's other"))), (0o711, 0o700));
            let none = ArchiveStep { include: vec!["nothing".into()], ..step(&part) };
            let (code, said) = try_run(shell, &script(&none, &pack(folder.path(), name)));
            assert!(code == Some(1) && said.contains("nothing in the archive is wanted"), "{said}");
            assert_eq!(files(&part).len(), 3, "nothing is left beside it");
        }
    }

    #[test]
    fn a_folder_and_what_is_unpacked_in_it_are_two_things() {
        use crate::plan::{DirectoryStep, StepKind};
        let folder = DirectoryStep {
            path: "/opt/x".into(),
            mode: Some(0o700),
            owner: None,
            group: None,
            absent: false,
            empty: false,
            source: None,
            file_mode: None,
            delete: false,
        };
        let make = |kind| crate::provision::tests::step("s", kind);
        let names = |steps: &[crate::plan::Step]| -> Vec<String> {
            crate::provision::checks(steps).into_iter().map(|spec| spec.name).collect()
        };
        let unpack = make(StepKind::Archive(step(Path::new("/opt/x/"))));
        let directory = make(StepKind::Directory(folder.clone()));
        let both = ["folder `/opt/x` is there as defined", "`/opt/x/` has what was unpacked"];
        assert_eq!(names(&[directory, unpack.clone()]), both);
        let gone = make(StepKind::Directory(DirectoryStep { absent: true, mode: None, ..folder }));
        assert_eq!(names(&[unpack, gone]), ["`/opt/x` does not exist"]);
    }
}
