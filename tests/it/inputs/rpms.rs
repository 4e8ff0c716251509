//! The packages of a guest with dnf: enough for a real dnf, of a repository that real tools made.
use super::{
    Bench, listed, program,
    shelf::{Held, Shelf},
};
use std::path::Path;

/// Makes a package that holds one file.
async fn package(folder: &Path, name: &str, version: &str, more: &str) {
    let spec = folder.join(format!("{name}-{version}.spec"));
    let text = format!(
        "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: stand-in\nLicense: none\nBuildArch: noarch\n{more}\
         %description\nx\n%install\nmkdir -p %{{buildroot}}/opt\necho {version} >%{{buildroot}}/opt/{name}\n%files\n/opt/{name}\n"
    );
    std::fs::write(&spec, text).unwrap();
    let arguments = [
        "--quiet".to_owned(),
        "-bb".to_owned(),
        "--define".to_owned(),
        format!("_topdir {}", folder.join("top").display()),
        "--define".to_owned(),
        format!("_rpmdir {}", folder.join("repo").display()),
        spec.display().to_string(),
    ];
    program("rpmbuild", &arguments, &[]).await;
}

/// Puts all that is below `folder` on the shelf, under `/repo/`.
fn fill(shelf: &Shelf, folder: &Path, below: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{below}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            fill(shelf, &path, &name);
        } else {
            shelf.put(&name, Held::Bytes(std::fs::read(path).unwrap()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dnf_gets_along_with_what_was_listed_and_nothing_else() {
    let bench = Bench::new();
    for (name, version, more) in [
        ("tool", "1.0", ""),
        (
            "tool",
            "2.0",
            "Requires: lib >= 1.1\nRequires: (shell or never)\nRecommends: extra\nRequires: /etc/passwd\n",
        ),
        ("lib", "1.0", ""),
        ("lib", "1.1", "Requires: /opt/base\n"),
        ("base", "7", ""),
        ("dash", "1", "Provides: shell = 5\n"),
        ("extra", "1", ""),
        ("alone", "1", ""),
        // Not a part of the distribution here, but of every guest.
        ("setup", "1", "Provides: /etc/passwd\n"),
    ] {
        package(bench.root.path(), name, version, more).await;
    }
    let repo = bench.path("repo");
    program("createrepo_c", &["-q".to_owned(), repo.display().to_string()], &[]).await;
    let origin = Shelf::start().await;
    fill(&origin, &repo, "/repo/9");
    bench.write("base.img", "");
    bench.write(
        "node.toml",
        &format!(
            "name = \"node\"\narch = \"x86_64\"\nsource.disk.path = \"base.img\"\n[[output]]\nformat = \"qcow2\"\n\
             [[provision]]\nrepository = {{ name = \"own\", baseurl = \"{}/$releasever\", gpg-check = false }}\n\
             [[provision]]\npackage.install = [\"tool\", \"elsewhere\"]\n",
            origin.url("/repo")
        ),
    );
    let inputs = bench.inputs(&["--guest", "rocky-9.4", "node.toml"]).await;
    let unknown = inputs["unknowable"].to_string();
    assert!(unknown.contains("`elsewhere`: in no repository"), "{unknown}");
    let files = listed(&inputs);
    let mut packages: Vec<&str> = files
        .iter()
        .filter(|file| file.kind == "package")
        .map(|file| file.url.rsplit('/').next().unwrap().trim_end_matches("-1.noarch.rpm"))
        .collect();
    packages.sort_unstable();
    // The newest ones, with what they need by name, by file and by choice, and what they recommend.
    assert_eq!(packages, ["base-7", "dash-1", "extra-1", "lib-1.1", "setup-1", "tool-2.0"]);

    let shelf = Shelf::start().await;
    for file in &files {
        let path = file.url.strip_prefix(&origin.url("")).unwrap();
        let sha256 = file.digest.as_deref().unwrap().strip_prefix("sha256:").unwrap().to_owned();
        shelf.put(path, Held::Upstream(file.url.clone(), sha256));
    }
    for folder in ["repos", "log"] {
        std::fs::create_dir(bench.path(folder)).unwrap();
    }
    bench.write(
        "repos/own.repo",
        &format!("[own]\nname=own\nbaseurl={}/$releasever\ngpgcheck=0\n", shelf.url("/repo")),
    );
    let under = |name: &str| bench.path(name).display().to_string();
    let arguments = [
        "-y".to_owned(),
        format!("--installroot={}", under("root")),
        "--releasever=9".to_owned(),
        format!("--setopt=reposdir={}", under("repos")),
        format!("--setopt=cachedir={}", under("dnf-cache")),
        format!("--setopt=logdir={}", under("log")),
        "--downloadonly".to_owned(),
        format!("--downloaddir={}", under("got")),
        "install".to_owned(),
        "tool".to_owned(),
    ];
    program("dnf", &arguments, &[]).await;
    assert_eq!(shelf.missing(), Vec::<String>::new());
    let got = std::fs::read_dir(bench.path("got")).unwrap().count();
    assert_eq!(got, packages.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_none_is_told_with_the_step() {
    let (bench, shelf) = (Bench::new(), Shelf::start().await);
    let definition = |repository: &str| {
        format!(
            "name = \"node\"\nsource.disk.path = \"base.img\"\n[[output]]\nformat = \"qcow2\"\n\
             [[provision]]\nrepository = {repository}\n[[provision]]\npackage.install = [\"tool\"]\n"
        )
    };
    bench.write("base.img", "");
    let own = format!("{{ name = \"own\", baseurl = \"{}\", gpg-check = false }}", shelf.url("/repo"));
    bench.write("node.toml", &definition(&own));
    shelf.put("/repo/repodata/repomd.xml", Held::Bytes(b"<html>a mirror list</html".to_vec()));
    let output = bench.run(&["inputs", "--guest", "rocky-9.4", "node.toml"]).await;
    let text = super::said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(3), "{text}");
    for word in ["is no repository of RPMs", "step 2 (", "holds `repodata`"] {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
    // One that leads to a list of mirrors.
    bench.write("own.repo", "[own]\nmirrorlist=http://mirrors.example/list\n");
    bench.write("node.toml", &definition("{ source = \"own.repo\" }"));
    let inputs = bench.inputs(&["--guest", "rocky-9.4", "node.toml"]).await;
    assert!(inputs["unknowable"].to_string().contains("which mirror is taken is not known"), "{inputs}");
}
