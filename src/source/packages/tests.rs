//! Against archives of our own, signed by a key of our own, and this host's apt.
use super::*;
use crate::cx::tests_support::cx;
use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    sync::{Arc, Mutex},
};

type Shelf = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Serves what is on the shelf, by path.
fn serve(shelf: &Shelf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let shelf = Arc::clone(shelf);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let found = shelf.lock().unwrap().get(head.split(' ').nth(1).unwrap_or_default()).cloned();
            let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[answer.into_bytes(), body].concat());
        }
    });
    base
}

fn package(name: &str, version: &str, more: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: A <a@example.org>\n{more}\
         Filename: pool/{name}_{version}_amd64.deb\nSize: 100\nSHA256: {}\nDescription: x\n\n",
        hex::encode(<sha2::Sha256 as sha2::Digest>::digest(format!("{name}{version}")))
    )
}

/// A key of our own, in a folder that goes with it.
struct Signer(tempfile::TempDir);

impl Signer {
    fn new() -> Self {
        let signer = Self(tempfile::tempdir().unwrap());
        signer.gpg(
            &["--passphrase", "", "--quick-gen-key", "test@example.org", "ed25519", "sign", "never"],
            b"",
        );
        signer
    }

    fn gpg(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("gpg")
            .args(["--batch", "--quiet", "--homedir"])
            .arg(self.0.path())
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "gpg {arguments:?}");
        output.stdout
    }

    fn key(&self) -> Vec<u8> {
        self.gpg(&["--armor", "--export"], b"")
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "all"]).status();
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes))
}

/// Puts an archive of these packages under `/deb`.
fn publish(shelf: &Shelf, signer: &Signer, packages: &str) {
    let release = format!(
        "Origin: Own\nCodename: own\nSuite: own\nArchitectures: amd64\nComponents: main\nAcquire-By-Hash: yes\n\
         Date: Sun, 01 Nov 2026 10:00:00 UTC\nSHA256:\n {} {} main/binary-amd64/Packages\n",
        sha256(packages.as_bytes()),
        packages.len()
    );
    let mut shelf = shelf.lock().unwrap();
    shelf.insert("/deb/dists/own/InRelease".into(), signer.gpg(&["--clearsign"], release.as_bytes()));
    let list = "/deb/dists/own/main/binary-amd64/";
    shelf.insert(format!("{list}by-hash/SHA256/{}", sha256(packages.as_bytes())), packages.into());
}

/// How signs are written in addresses depends on apt's version.
fn names(files: &[PackageFile]) -> Vec<String> {
    let packages = files.iter().filter(|file| !file.index);
    let name = |file: &PackageFile| file.url.path().rsplit('/').next().unwrap().to_owned();
    packages.map(|file| name(file).replace("%2b", "+").replace("%7e", "~")).collect()
}

fn words(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const ALL: Choice = Choice { recommends: true, downgrade: true, unauthenticated: false };

#[tokio::test]
async fn a_closure_grows_with_each_step_as_the_guest_would() {
    let (shelf, signer) = (Shelf::default(), Signer::new());
    let base = serve(&shelf);
    let packages = [
        package("tool", "1.0", "Depends: lib\nRecommends: extra\n"),
        package("tool", "2.0", "Depends: lib (>= 1)\nRecommends: extra\n"),
        package("lib", "1", ""),
        package("extra", "1+b~1", ""),
        package("wisher", "1", "Recommends: extra\n"),
    ]
    .concat();
    publish(&shelf, &signer, &packages);
    let (cx, cache) = (cx(), tempfile::tempdir().unwrap());
    let fetcher = Fetcher::new(cache.path());
    let mut system = Packages::empty(&cx, &fetcher, Arch::X86_64).unwrap();
    let source = "/etc/apt/sources.list.d/own.sources";
    let entry = format!(
        "Types: deb\nURIs: {base}/deb\nSuites: own\nComponents: main\nSigned-By: /etc/apt/keyrings/own.asc\n"
    );
    system.sources().insert(source.into(), entry.clone());
    system.keys().insert("/etc/apt/keyrings/own.asc".into(), signer.key());

    let files = system.install(&words(&["tool=1.0"]), Choice::default()).await.unwrap();
    let lists: Vec<&str> = files.iter().filter(|file| file.index).map(|file| file.url.path()).collect();
    // By digest first, as apt asks; and by name.
    let hash = format!("/deb/dists/own/main/binary-amd64/by-hash/SHA256/{}", sha256(packages.as_bytes()));
    assert_eq!(lists, ["/deb/dists/own/InRelease", &hash, "/deb/dists/own/main/binary-amd64/Packages"]);
    assert_eq!(names(&files), ["lib_1_amd64.deb", "tool_1.0_amd64.deb"]);
    assert_eq!(files.last().unwrap().digest.as_ref().unwrap().hex(), sha256(b"tool1.0"));
    // What is there is not fetched again.
    let files = system.install(&words(&["tool"]), ALL).await.unwrap();
    assert_eq!(names(&files), ["tool_2.0_amd64.deb"]);
    assert!(system.install(&words(&["tool"]), ALL).await.unwrap().is_empty());
    assert_eq!(names(&system.install(&words(&["tool=1.0"]), ALL).await.unwrap()), ["tool_1.0_amd64.deb"]);
    // What is held stays.
    system.hold(&words(&["tool"]), true);
    assert!(system.upgrade().await.unwrap().is_empty());
    system.hold(&words(&["*"]), false);
    assert_eq!(names(&system.upgrade().await.unwrap()), ["tool_2.0_amd64.deb"]);
    // What is recommended comes as in a guest.
    let mut wished = names(&system.install(&words(&["wisher"]), ALL).await.unwrap());
    wished.sort();
    assert_eq!(wished, ["extra_1+b~1_amd64.deb", "wisher_1_amd64.deb"]);
    // What is removed has to be fetched again.
    system.remove(&words(&["extra", "never-there"])).await.unwrap();
    assert_eq!(names(&system.install(&words(&["extra"]), ALL).await.unwrap()), ["extra_1+b~1_amd64.deb"]);

    let error = system.install(&words(&["nowhere"]), ALL).await.unwrap_err().to_string();
    assert!(
        error.contains("apt-get install nowhere") && error.contains("Unable to locate package"),
        "{error}"
    );
}

#[tokio::test]
async fn lists_that_are_not_signed_by_their_key_are_refused() {
    let (shelf, signer, stranger) = (Shelf::default(), Signer::new(), Signer::new());
    let base = serve(&shelf);
    publish(&shelf, &stranger, &package("tool", "1.0", ""));
    let (cx, cache) = (cx(), tempfile::tempdir().unwrap());
    let fetcher = Fetcher::new(cache.path());
    let mut system = Packages::empty(&cx, &fetcher, Arch::X86_64).unwrap();
    let entry = format!(
        "deb [signed-by=/etc/apt/keyrings/own.asc] {base}/deb own main\n# a comment\ndeb-src {base}/deb own main\n"
    );
    system.sources().insert("/etc/apt/sources.list".into(), entry);
    system.keys().insert("/etc/apt/keyrings/own.asc".into(), signer.key());
    let error = system.install(&words(&["tool"]), ALL).await.unwrap_err().to_string();
    assert!(error.contains(&format!("'{base}/deb own InRelease' is not signed")), "{error}");
}

#[tokio::test]
async fn a_flat_archive_without_signature_is_taken_when_it_is_trusted() {
    let shelf = Shelf::default();
    let base = serve(&shelf);
    let packages = package("tool", "1.0", "");
    let release = format!(
        "Date: Sun, 01 Nov 2026 10:00:00 UTC\nSHA256:\n {} {} Packages\n",
        sha256(packages.as_bytes()),
        packages.len()
    );
    {
        let mut shelf = shelf.lock().unwrap();
        shelf.insert("/core:/deb/Release".into(), release.into());
        shelf.insert("/core:/deb/Packages".into(), packages.into());
    }
    let (cx, cache) = (cx(), tempfile::tempdir().unwrap());
    let fetcher = Fetcher::new(cache.path());
    let mut system = Packages::empty(&cx, &fetcher, Arch::X86_64).unwrap();
    let entry = format!("Types: deb\nURIs: {base}/core:/deb/\nSuites: /\nTrusted: yes\n");
    system.sources().insert("/etc/apt/sources.list.d/flat.sources".into(), entry);
    let files = system.install(&words(&["tool"]), ALL).await.unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.url.path()).collect();
    assert_eq!(paths, ["/core:/deb/Release", "/core:/deb/Packages", "/core:/deb/pool/tool_1.0_amd64.deb"]);
    // An archive that has no such suite.
    let gone = format!("Types: deb\nURIs: {base}/deb\nSuites: gone\nComponents: main\n");
    system.sources().insert("/etc/apt/sources.list.d/gone.sources".into(), gone);
    let error = system.install(&words(&["tool"]), ALL).await.unwrap_err();
    assert!(error.to_string().contains("/deb/` has no suite `gone`"), "{error}");
    // One that is no web server is left out, and said.
    system.sources().remove("/etc/apt/sources.list.d/gone.sources");
    system.sources().insert("/etc/apt/sources.list.d/cd.list".into(), "deb cdrom:[x]/ own main".into());
    system.install(&words(&["tool"]), ALL).await.unwrap();
    assert_eq!(system.remarks().len(), 1);
}
