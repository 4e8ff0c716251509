//! Container images, from a real registry, and for a real client.
use super::{
    Bench, listed, program,
    shelf::{Held, Shelf, client},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Debian's registry server, with a folder of its own.
struct Registry {
    child: Child,
    base: String,
    host: String,
}

impl Registry {
    async fn start(bench: &Bench) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let config = bench.write(
            "registry.yml",
            &format!(
                "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: '{host}' }}\n",
                bench.path("registry").display()
            ),
        );
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self { child: command.spawn().unwrap(), base: format!("http://{host}/v2/"), host };
        for _ in 0..100 {
            if client().get(&registry.base).send().await.is_ok() {
                return registry;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the registry does not answer");
    }

    async fn blob(&self, name: &str, bytes: &[u8]) {
        let client = client();
        let begun = client.post(format!("{}{name}/blobs/uploads/", self.base)).send().await.unwrap();
        let place = begun.headers()["location"].to_str().unwrap().to_owned();
        let place = format!("{place}&digest={}", digest(bytes));
        let sent = client.put(place).body(bytes.to_vec()).send().await.unwrap();
        assert_eq!(sent.status(), 201, "{}", sent.text().await.unwrap());
    }

    async fn manifest(&self, name: &str, version: &str, manifest: &serde_json::Value) -> serde_json::Value {
        let bytes = serde_json::to_vec(manifest).unwrap();
        let kind = manifest["mediaType"].as_str().unwrap();
        let put = client().put(format!("{}{name}/manifests/{version}", self.base));
        let version = digest(&bytes);
        let sent = put.header("content-type", kind).body(bytes.clone()).send().await.unwrap();
        assert_eq!(sent.status(), 201, "{}", sent.text().await.unwrap());
        json!({ "mediaType": kind, "digest": version, "size": bytes.len() })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pushes an image for two architectures.
async fn push(registry: &Registry) {
    let layer = {
        let mut tar = vec![0_u8; 1024];
        tar.extend_from_slice(&[0; 512]);
        tar
    };
    registry.blob("team/app", &layer).await;
    let mut entries = Vec::new();
    for arch in ["arm64", "amd64"] {
        let config = json!({
            "architecture": arch, "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = serde_json::to_vec(&config).unwrap();
        registry.blob("team/app", &config).await;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len() },
            "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(&layer), "size": layer.len() }],
        });
        let version = digest(&serde_json::to_vec(&manifest).unwrap());
        let mut entry = registry.manifest("team/app", &version, &manifest).await;
        entry["platform"] = json!({ "architecture": arch, "os": "linux" });
        entries.push(entry);
    }
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries,
    });
    registry.manifest("team/app", "1.0", &index).await;
}

fn definition(host: &str, name: &str) -> String {
    format!(
        "name = \"node\"\narch = \"x86_64\"\nsource.disk.path = \"base.img\"\n[[output]]\nformat = \"qcow2\"\n[[provision]]\nimage.pull = [\"{host}/{name}\"]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_real_registry_is_whole_for_a_real_client() {
    let bench = Bench::new();
    let registry = Registry::start(&bench).await;
    push(&registry).await;
    bench.write("base.img", "");
    bench.write("node.toml", &definition(&registry.host, "team/app:1.0"));
    let inputs = bench.inputs(&["--guest", "debian-12", "node.toml"]).await;
    let files = listed(&inputs);
    // Index by tag and by digest, the manifest of one architecture, configuration, layer.
    assert_eq!(files.len(), 5, "{files:#?}");
    let shelf = Shelf::start().await;
    for file in &files {
        assert_eq!(file.kind, "container-image");
        assert!(file.needed_by.starts_with("step 1 ("), "{}", file.needed_by);
        let accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
        let got = client().get(&file.url).header("accept", accept).send().await.unwrap();
        let bytes = got.bytes().await.unwrap();
        assert_eq!(Some(digest(&bytes)), file.digest);
        shelf.put(
            file.url.strip_prefix(&format!("http://{}", registry.host)).unwrap(),
            Held::Bytes(bytes.to_vec()),
        );
    }
    drop(registry);
    let target = bench.path("pulled");
    let copy = [
        "copy".to_owned(),
        "--src-tls-verify=false".to_owned(),
        "--override-arch=amd64".to_owned(),
        format!("docker://127.0.0.1:{}/team/app:1.0", shelf.port),
        format!("dir:{}", target.display()),
    ];
    program("skopeo", &copy, &[("HOME", bench.root.path())]).await;
    assert_eq!(shelf.missing(), Vec::<String>::new());
    assert!(target.join("manifest.json").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_wants_a_token_gets_one() {
    let (bench, shelf) = (Bench::new(), Shelf::start().await);
    shelf.want_token("given-to-anybody");
    let config = br#"{"os":"linux"}"#;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": { "digest": digest(config), "size": config.len() }, "layers": [],
    });
    shelf.put("/v2/team/app/manifests/2", Held::Bytes(serde_json::to_vec(&manifest).unwrap()));
    bench.write("base.img", "");
    bench.write("node.toml", &definition(&format!("127.0.0.1:{}", shelf.port), "team/app:2"));
    let files = listed(&bench.inputs(&["--guest", "debian-12", "node.toml"]).await);
    let paths: Vec<&str> = files.iter().map(|file| file.url.rsplit('/').next().unwrap()).collect();
    let version = digest(&serde_json::to_vec(&manifest).unwrap());
    assert_eq!(paths, ["2", &version, &digest(config)]);
    let asked = shelf.asked();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("/token")).count(), 1, "{asked:?}");
    // What is not there, and what is there for others only.
    bench.write("node.toml", &definition(&format!("127.0.0.1:{}", shelf.port), "team/app:3"));
    let output = bench.run(&["inputs", "--guest", "debian-12", "node.toml"]).await;
    let text = super::said(&output);
    assert!(text.contains("HTTP 404") && text.contains("step 1 ("), "{text}");
    let index = json!({
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{ "digest": version, "size": 1, "platform": { "os": "linux", "architecture": "riscv64" } }],
    });
    shelf.put("/v2/team/app/manifests/3", Held::Bytes(serde_json::to_vec(&index).unwrap()));
    let output = bench.run(&["inputs", "--guest", "debian-12", "node.toml"]).await;
    let text = super::said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("is not there for x86_64, only for linux/riscv64"), "{text}");
}
