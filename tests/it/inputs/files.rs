//! Files that steps and sources name.
use super::{
    Bench, listed, said,
    shelf::{Held, Shelf},
};
use sha2::{Digest as _, Sha256};

fn hex_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A definition with one of each.
fn definition(shelf: &Shelf) -> String {
    let digest = format!("sha256:{}", hex_of(&vec![0; 65536]));
    format!(
        r#"
name = "node"
[source.disk]
url = "{base}/base.qcow2"
digest = "{digest}"

[[output]]
format = "qcow2"

[secret.token]
env = "TOKEN"

[[provision]]
download = {{ url = "{base}/tool", digest-url = "{base}/SHA256SUMS", dest = "/usr/bin/tool", mode = "0755" }}

[[provision]]
name = "by the guest"
archive = {{ url = "{base}/a.tar.gz", digest = "{archive}", dest = "/opt", via = "guest" }}

[[provision]]
download = {{ url = "{base}/x?t=${{secret.token}}", digest = "{archive}", dest = "/x" }}

[[provision]]
package.install = ["jq", "https://127.0.0.1:1/own.deb"]

[[provision]]
name = "fetch by itself"
shell = "curl -o /x {base}/other"

[[provision]]
name = "again"
download = {{ url = "{base}/tool", digest-url = "{base}/SHA256SUMS", dest = "/opt/tool" }}
"#,
        base = shelf.url(""),
        archive = format!("sha256:{}", hex_of(b"archive")),
    )
}

async fn filled() -> Shelf {
    let shelf = Shelf::start().await;
    shelf.put("/base.qcow2", Held::Bytes(vec![0; 65536]));
    shelf.put("/tool", Held::Bytes(b"tool!".to_vec()));
    shelf.put("/a.tar.gz", Held::Bytes(b"archive".to_vec()));
    let sums = format!("{}  other\n{} *tool\n", hex_of(b"other"), hex_of(b"tool!"));
    shelf.put("/SHA256SUMS", Held::Bytes(sums.into_bytes()));
    shelf
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_is_listed_once_with_its_digest_and_what_needs_it() {
    let (bench, shelf) = (Bench::new(), filled().await);
    bench.write("node.toml", &definition(&shelf));
    let inputs = bench.inputs(&["--guest", "debian-12", "node.toml"]).await;
    let port = format!(":{}/", shelf.port);
    let root = bench.root.path().canonicalize().unwrap().display().to_string();
    let text = serde_json::to_string_pretty(&inputs).unwrap().replace(&port, ":PORT/").replace(&root, "ROOT");
    insta::assert_snapshot!(text);
    // The secret's address was asked for by nobody.
    assert!(shelf.asked().iter().all(|asked| !asked.starts_with("/x")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_not_to_be_had_is_told_with_its_step() {
    let (bench, shelf) = (Bench::new(), filled().await);
    bench.write("node.toml", &definition(&shelf));
    shelf.put("/SHA256SUMS", Held::Bytes(format!("{}  other\n{0}  another\n", hex_of(b"x")).into_bytes()));
    let output = bench.run(&["inputs", "--guest", "debian-12", "node.toml"]).await;
    let text = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(3), "{text}");
    for word in ["the digest of", "/tool` is not known", "none of `tool`", "step 1 (", "node.toml:"] {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
    shelf.take("/SHA256SUMS");
    let output = bench.run(&["inputs", "--guest", "debian-12", "node.toml"]).await;
    assert!(said(&output).contains("HTTP 404"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_the_guest_is_said_to_be_unknown() {
    let (bench, shelf) = (Bench::new(), filled().await);
    let when = definition(&shelf).replace("name = \"by the guest\"", "when = \"os.family == 'redhat'\"");
    bench.write("node.toml", &when);
    let inputs = bench.inputs(&["node.toml"]).await;
    assert!(listed(&inputs).iter().all(|file| !file.url.contains("a.tar.gz")));
    assert!(inputs["unknowable"].to_string().contains("--guest ubuntu-24.04"), "{inputs}");
    let inputs = bench.inputs(&["--system", "rocky-9.4", "node.toml"]).await;
    assert!(listed(&inputs).iter().any(|file| file.url.contains("a.tar.gz")));
    // For people, and one that does not exist.
    let output = bench.run(&["inputs", "--guest", "plan-9", "node.toml"]).await;
    assert!(said(&output).contains("no system that goldsmith knows"), "{}", said(&output));
    let output = bench.run(&["inputs", "--guest", "debian-12", "node.toml"]).await;
    let text = said(&output);
    assert!(text.contains("cannot be known beforehand") && text.contains("it runs `curl`"), "{text}");
}
