//! Folders, links and lines, on files of this host.
use super::{super::*, SHELLS, asking, failed, run, try_run};
use crate::plan::{DirectoryStep, LineStep, LinkStep, StepKind};
use std::os::unix::fs::{PermissionsExt, symlink};
use test_case::test_case;

/// Where tests put their files, nothing lasts, so a check about one is made of a step elsewhere.
fn lasting(folder: &tempfile::TempDir) -> (String, String) {
    let real = folder.path().display().to_string();
    (real, "/srv/x".to_owned())
}

/// Of the checks of `kind`, those that do not hold in `folder`, which stands for `/srv/x`.
fn wrong(shell: &str, kind: &StepKind, folder: &tempfile::TempDir) -> Vec<String> {
    let (real, stand_in) = lasting(folder);
    let mut specs = super::super::checks(kind);
    assert!(!specs.is_empty());
    for spec in &mut specs {
        spec.script = spec.script.replace(&stand_in, &real);
    }
    failed(&specs, &run(shell, &asking(&specs)))
}

fn directory(path: &str) -> DirectoryStep {
    DirectoryStep {
        path: path.into(),
        mode: None,
        owner: None,
        group: None,
        absent: false,
        empty: false,
        source: None,
        file_mode: None,
        delete: false,
    }
}

#[test]
fn a_folder_is_made_emptied_and_removed() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's/a b");
        let at = |path: &std::path::Path| path.display().to_string();
        let step = DirectoryStep { mode: Some(0o1750), ..directory(&at(&path)) };
        run(shell, &directory::script(&step));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o1750);
        let checked = DirectoryStep { path: "/srv/x/it's/a b".into(), ..step.clone() };
        // The quoting of the path differs, so it is asked where it is.
        assert_eq!(super::super::checks(&StepKind::Directory(checked)).len(), 1);

        // Without a mode, a folder that is there keeps its own.
        std::fs::write(path.join(".hidden"), "").unwrap();
        std::fs::create_dir(path.join("inner")).unwrap();
        run(shell, &directory::script(&DirectoryStep { empty: true, ..directory(&at(&path)) }));
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o1750);

        // What a link in it points to is not its content.
        std::fs::write(folder.path().join("kept"), "").unwrap();
        symlink(folder.path(), path.join("link")).unwrap();
        run(shell, &directory::script(&DirectoryStep { absent: true, ..directory(&at(&path)) }));
        assert!(!path.exists() && folder.path().join("kept").exists());

        std::fs::write(&path, "a file").unwrap();
        let (code, said) = try_run(shell, &directory::script(&directory(&at(&path))));
        assert!(code == Some(1) && said.contains("is no folder"), "{said}");
    }
}

#[test]
fn the_checks_of_folders_and_links_tell_what_is_there() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::set_permissions(folder.path().join("d"), PermissionsExt::from_mode(0o700)).unwrap();
        symlink("target", folder.path().join("l")).unwrap();
        let at = |name: &str| format!("/srv/x/{name}");
        let folder_is =
            |name: &str, mode| StepKind::Directory(DirectoryStep { mode, ..directory(&at(name)) });
        let gone = |name: &str| StepKind::Directory(DirectoryStep { absent: true, ..directory(&at(name)) });
        let none = Vec::<String>::new();
        assert_eq!(wrong(shell, &folder_is("d", Some(0o700)), &folder), none);
        assert_eq!(
            wrong(shell, &folder_is("d", Some(0o755)), &folder)[0],
            "folder `/srv/x/d` is there as defined: directory 700 (0)"
        );
        assert_eq!(wrong(shell, &folder_is("e", None), &folder).len(), 1);
        assert_eq!(wrong(shell, &gone("e"), &folder), none);
        assert_eq!(wrong(shell, &gone("d"), &folder).len(), 1);
        let link =
            |to: &str| StepKind::Link(LinkStep { path: at("l"), to: to.into(), absent: to.is_empty() });
        assert_eq!(wrong(shell, &link("target"), &folder), none);
        assert_eq!(
            wrong(shell, &link("other"), &folder)[0],
            "`/srv/x/l` points to `other`: link to target (0)"
        );
        assert_eq!(wrong(shell, &link(""), &folder).len(), 1);
    }
}

#[test]
fn a_link_replaces_links_and_files_but_no_folder() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/l");
        let step =
            |to: &str| LinkStep { path: path.display().to_string(), to: to.into(), absent: to.is_empty() };
        // A link to a folder is replaced, not followed.
        for to in ["/", "/etc", "it's -n", "/etc"] {
            run(shell, &link::script(&step(to)));
            assert_eq!(std::fs::read_link(&path).unwrap().to_str(), Some(to));
        }
        run(shell, &link::script(&step("")));
        run(shell, &link::script(&step("")));
        assert!(std::fs::symlink_metadata(&path).is_err());
        std::fs::write(&path, "").unwrap();
        assert_eq!(try_run(shell, &link::script(&step(""))).0, Some(1));
        run(shell, &link::script(&step("x")));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(try_run(shell, &link::script(&step("x"))).0, Some(1));
    }
}

fn line(path: &str, line: &str, matching: Option<&str>, after: Option<&str>) -> LineStep {
    LineStep {
        path: path.into(),
        line: line.into(),
        matching: matching.map(str::to_owned),
        after: after.map(str::to_owned),
        absent: false,
        create: false,
    }
}

#[test_case("a\nb\n", "c", None, None, "a\nb\nc\n"; "a new line comes at the end")]
#[test_case("a\nb", "c", None, None, "a\nb\nc\n"; "a last line without an end gets one")]
#[test_case("", "c", None, None, "c\n"; "an empty file")]
#[test_case("a\nc\nb\n", "c", None, None, "a\nc\nb\n"; "a line that is there stays where it is")]
#[test_case("x=1\ny\n#x=2\n", "x=3", Some("^#?x="), None, "x=1\ny\nx=3\n"; "the last match is replaced")]
#[test_case("x=1\n", "x=3", Some("^y="), None, "x=1\nx=3\n"; "without a match it is added")]
#[test_case("[a]\n1\n[b]\n2\n", "new", None, Some(r"^\[a\]"), "[a]\nnew\n1\n[b]\n2\n"; "after a match")]
#[test_case("1\n", "new", None, Some("^none"), "1\nnew\n"; "after nothing is at the end")]
#[test_case("k aaa\n", "k 'b' $x \\n &", Some("^k a{3}$"), None, "k 'b' $x \\n &\n"; "nothing in it is special")]
#[test_case("a.c\nabc\n", "-e", None, None, "a.c\nabc\n-e\n"; "a line like an option")]
#[test_case("abc\n", "a.c", None, None, "abc\na.c\n"; "a line is no expression")]
fn a_line_is_put_where_it_belongs(
    before: &str,
    text: &str,
    matching: Option<&str>,
    after: Option<&str>,
    expected: &str,
) {
    for shell in SHELLS {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("it's"), folder.path().join("link"));
        std::fs::write(&file, before).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        let step = line(link.to_str().unwrap(), text, matching, after);
        // The second time, nothing is left to do.
        for _ in 0..2 {
            run(shell, &line::script(&step));
            assert_eq!(std::fs::read_to_string(&file).unwrap(), expected, "{shell}");
        }
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
    }
}

#[test]
fn a_line_that_is_to_be_absent_goes_wherever_it_is() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        let path = file.to_str().unwrap();
        std::fs::write(&file, "x\ny\nx\nxx\nz1\n").unwrap();
        run(shell, &line::script(&LineStep { absent: true, ..line(path, "x", Some("^z[0-9]$"), None) }));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "y\nxx\n");
        run(shell, &line::script(&LineStep { absent: true, ..line(path, "", Some("."), None) }));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
        std::fs::remove_file(&file).unwrap();
        run(shell, &line::script(&LineStep { absent: true, ..line(path, "x", None, None) }));
        assert!(!file.exists());
    }
}

#[test]
fn a_file_that_is_not_there_is_made_only_when_asked() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/f");
        let step = line(file.to_str().unwrap(), "x", None, None);
        let (code, said) = try_run(shell, &line::script(&step));
        assert!(code == Some(1) && said.contains("create = true"), "{said}");
        run(shell, &line::script(&LineStep { create: true, ..step }));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x\n");
    }
}

#[test]
fn a_wrong_expression_changes_nothing() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "x\n").unwrap();
        let (code, said) =
            try_run(shell, &line::script(&line(file.to_str().unwrap(), "y", Some("(x"), None)));
        assert!(code != Some(0) && said.contains('('), "{said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x\n");
    }
}

#[test]
fn the_checks_of_lines_tell_what_is_there() {
    for shell in SHELLS {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), "a.c\nx=1\n").unwrap();
        let there = |text: &str| StepKind::Line(line("/srv/x/f", text, None, None));
        assert_eq!(wrong(shell, &there("a.c"), &folder), Vec::<String>::new());
        assert_eq!(wrong(shell, &there("abc"), &folder)[0], "`/srv/x/f` has the line `abc`: missing (0)");
        let gone = LineStep { absent: true, ..line("/srv/x/f", "y", Some("^x="), None) };
        assert_eq!(
            wrong(shell, &StepKind::Line(gone), &folder),
            ["no line of `/srv/x/f` matches `^x=`: there (0)"]
        );
    }
}
