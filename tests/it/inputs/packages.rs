//! The packages of a bootstrap: enough for apt, which gets nothing else and looks at every signature.
use super::{
    Bench, listed, program,
    shelf::{Held, Shelf},
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(feature = "test-guest"), ignore = "takes a package mirror: the one of this host")]
async fn apt_gets_along_with_what_was_listed_and_nothing_else() {
    let bench = Bench::new();
    let definition = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/debian-12.toml");
    let inputs = bench.inputs(&[definition.to_str().unwrap()]).await;
    assert_eq!(inputs["unknowable"], serde_json::json!([]), "{inputs}");
    let files = listed(&inputs);
    let shelf = Shelf::start().await;
    let (mut stanzas, mut names) = (String::new(), BTreeSet::new());
    for file in &files {
        let sha256 = file.digest.as_deref().unwrap().strip_prefix("sha256:").unwrap().to_owned();
        shelf.put(&file.url, Held::Upstream(file.url.clone(), sha256));
        if let Some((base, suite)) =
            file.url.strip_suffix("/InRelease").and_then(|url| url.split_once("/dists/"))
        {
            stanzas.push_str(&format!(
                "Types: deb\nURIs: {base}\nSuites: {suite}\nComponents: main\n\
                 Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
            ));
        }
        if let Some(name) = file.url.strip_suffix(".deb").and_then(|url| url.rsplit('/').next()) {
            names.insert(name.split('_').next().unwrap().replace("%2b", "+"));
        }
    }
    // The kernel of the definition, a part of the minimum, and the step's own package with what only it needs.
    for name in ["linux-image-cloud-amd64", "dpkg", "tcpdump", "libpcap0.8", "shim-signed"] {
        assert!(names.contains(name), "no {name}");
    }
    let step = files.iter().find(|file| file.url.contains("/tcpdump_")).unwrap();
    assert!(step.needed_by.contains("install tcpdump"), "{}", step.needed_by);

    // A system without any package, whose apt knows one way out: the shelf.
    let root = bench.path("root");
    for folder in [
        "etc/apt/apt.conf.d",
        "etc/apt/preferences.d",
        "etc/apt/sources.list.d",
        "var/lib/dpkg",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
    ] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    std::fs::write(root.join("etc/apt/sources.list.d/debian.sources"), stanzas).unwrap();
    let config = bench.write(
        "apt.conf",
        &format!(
            "Dir \"{0}\";\nDir::State::status \"{0}/var/lib/dpkg/status\";\nAPT::Architecture \"amd64\";\n\
             APT::Architectures {{ \"amd64\"; }};\nAPT::Sandbox::User \"root\";\nDebug::NoLocking \"true\";\n\
             Acquire::http::Proxy \"{1}\";\nAcquire::Check-Valid-Until \"false\";\nAcquire::Retries \"0\";\n",
            root.display(),
            shelf.url("/")
        ),
    );
    let apt = async |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        program("apt-get", &arguments, &[("APT_CONFIG", &config)]).await
    };
    apt(&["-q", "-o", "APT::Update::Error-Mode=any", "update"]).await;
    // Lists were taken by digest, as apt does where it can, with the descriptions.
    let asked = shelf.asked();
    assert!(asked.iter().any(|asked| asked.contains("main/binary-amd64/by-hash/SHA256/")), "{asked:?}");
    assert!(asked.iter().any(|asked| asked.contains("main/i18n/by-hash/SHA256/")), "{asked:?}");
    let mut install = vec!["-q", "-y", "--download-only", "--no-install-recommends", "install"];
    install.extend(names.iter().map(String::as_str));
    apt(&install).await;
    assert_eq!(shelf.missing(), Vec::<String>::new());
    let got = std::fs::read_dir(root.join("var/cache/apt/archives"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "deb"))
        .count();
    // All of them, and none that was listed in vain.
    let packages = files.iter().filter(|file| file.kind == "package").count();
    assert_eq!((got, names.len()), (packages, packages));
}

/// A paragraph of a list of packages.
fn paragraph(name: &str, more: &str) -> String {
    format!(
        "Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: A <a@example.org>\n{more}Filename: pool/{name}.deb\n\
         Size: 10\nSHA256: {}\nDescription: x\n\n",
        hex::encode(Sha256::digest(name.as_bytes()))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_image_has_already_is_not_fetched_again() {
    let (bench, shelf) = (Bench::new(), Shelf::start().await);
    let packages = [
        paragraph("tool", "Depends: lib, held, new\n"),
        paragraph("lib", ""),
        paragraph("held", ""),
        paragraph("new", ""),
    ]
    .concat();
    let release = format!(
        "Date: Sun, 01 Nov 2026 10:00:00 UTC\nSHA256:\n {} {} Packages\n",
        hex::encode(Sha256::digest(packages.as_bytes())),
        packages.len()
    );
    shelf.put("/deb/Release", Held::Bytes(release.into_bytes()));
    shelf.put("/deb/Packages", Held::Bytes(packages.into_bytes()));
    // An image as clouds have it: its file system without a partition table, a list of mirrors in it.
    let root = bench.path("tree");
    let put = |path: &str, text: String| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("etc/os-release", "ID=debian\nVERSION_ID=12\n".into());
    put("etc/apt/mirrors/own.list", shelf.url("/deb/"));
    put(
        "etc/apt/sources.list.d/own.sources",
        "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/own.list\nSuites: /\nTrusted: yes\n".into(),
    );
    let installed = |name: &str, status: &str| paragraph(name, &format!("Status: {status}\n"));
    put(
        "var/lib/dpkg/status",
        [
            installed("lib", "install ok installed"),
            installed("held", "hold ok installed"),
            installed("new", "deinstall ok config-files"),
        ]
        .concat(),
    );
    let image = bench.path("base.img");
    let arguments = ["-q", "-t", "ext4", "-d", root.to_str().unwrap(), image.to_str().unwrap(), "8M"];
    program("mke2fs", &arguments.map(str::to_owned), &[]).await;
    let definition = "name = \"node\"\narch = \"x86_64\"\nsource.disk = { path = \"base.img\", format = \"raw\" }\n\
                      [[output]]\nformat = \"qcow2\"\n[[provision]]\npackage.install = [\"tool\"]\n";
    bench.write("node.toml", definition);
    let inputs = bench.inputs(&["node.toml"]).await;
    assert_eq!(inputs["unknowable"], serde_json::json!([]), "{inputs}");
    let names: Vec<String> =
        listed(&inputs).into_iter().map(|file| file.url.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["Release", "Packages", "new.deb", "tool.deb"]);
    // What apt cannot find is told with the step.
    bench.write("node.toml", &definition.replace("\"tool\"", "\"nowhere\""));
    let output = bench.run(&["inputs", "node.toml"]).await;
    let text = super::said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(3), "{text}");
    for word in ["apt-get install nowhere", "Unable to locate package nowhere", "step 1 (", "node.toml:6"] {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
}
