//! Software from elsewhere: a signed repository for apt that the test makes, and a playbook of Ansible.
use crate::{
    kubernetes::server::Server,
    support::{Home, beside, over_base, tool},
};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// A repository without releases, with one package, signed by a key that is made for it. The folder, and the public key.
fn repository(home: &Home) -> (PathBuf, PathBuf) {
    let (folder, tree, keys) = (home.root.join("repository"), home.root.join("tree"), home.root.join("g"));
    for made in [&folder, &tree.join("DEBIAN"), &tree.join("usr/bin"), &keys] {
        std::fs::create_dir_all(made).unwrap();
    }
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o700)).unwrap();
    let control = "Package: golden-hello\nVersion: 1.0\nArchitecture: all\nMaintainer: Goldsmith <test@example.org>\n\
                   Description: says hello\n";
    std::fs::write(tree.join("DEBIAN/control"), control).unwrap();
    let program = tree.join("usr/bin/golden-hello");
    std::fs::write(&program, "#!/bin/sh\necho golden hello\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    tool("dpkg-deb", &["--build", "--root-owner-group", "tree", "repository"], &home.root);
    let packages = tool("dpkg-scanpackages", &["--multiversion", "."], &folder);
    std::fs::write(folder.join("Packages"), &packages).unwrap();
    let digest = tool("sha256sum", &["Packages"], &folder);
    let digest = digest.split_whitespace().next().unwrap();
    let date = tool("date", &["-Ru"], &folder);
    let release = format!(
        "Origin: golden\nDate: {}\nArchitectures: all amd64\nSHA256:\n {digest} {} Packages\n",
        date.trim().replace("+0000", "UTC"),
        packages.len()
    );
    std::fs::write(folder.join("Release"), release).unwrap();
    let gpg = |arguments: &[&str]| {
        let home = keys.to_str().unwrap();
        tool(
            "gpg",
            &[&["--homedir", home, "--batch", "--yes", "--passphrase", ""], arguments].concat(),
            &folder,
        )
    };
    gpg(&["--quick-generate-key", "golden test <test@example.org>", "ed25519", "sign", "never"]);
    gpg(&["--clearsign", "--output", "InRelease", "Release"]);
    let key = home.root.join("golden.asc");
    std::fs::write(&key, gpg(&["--armor", "--export"])).unwrap();
    tool("gpgconf", &["--homedir", keys.to_str().unwrap(), "--kill", "all"], &folder);
    (folder, key)
}

const PLAYBOOK: &str = r#"
- hosts: all
  gather_facts: false
  tasks:
    - name: write a file
      ansible.builtin.copy:
        dest: /etc/from-ansible
        content: "{{ greeting }} as {{ ansible_become_user }}\n"
    - name: run a command
      ansible.builtin.command:
        cmd: cp /etc/from-ansible /etc/from-ansible-too
        creates: /etc/from-ansible-too
"#;

fn definition(port: &str, key: &Path) -> String {
    let steps = format!(
        r#"
[[provision]]
repository = {{ public = "disabled" }}

[[provision]]
[provision.repository]
name = "golden"
uris = ["http://10.0.2.2:{port}"]
suites = ["./"]
key-source = "{key}"

[[provision]]
package = {{ install = ["golden-hello=1.0"], hold = ["golden-hello"] }}

[[provision]]
repository = {{ public = "enabled" }}

[[provision]]
[provision.ansible]
playbook = "play.yml"
extra-vars = {{ greeting = "hello" }}

[[output]]
format = "qcow2"

[verify]
commands = ["test \"$(golden-hello)\" = 'golden hello'", "grep -qx 'hello as root' /etc/from-ansible-too"]
"#,
        key = key.display()
    );
    over_base("software", "firmware = \"bios\"\n[guest]\nseed = \"credentials\"", &steps)
}

#[test]
fn software_comes_from_a_signed_repository_and_by_a_playbook() {
    let _turn = beside();
    let home = Home::new("software");
    let (folder, key) = repository(&home);
    let server = Server::start(&folder, &["InRelease"]);
    let url = server.url();
    let port = url.rsplit(':').next().unwrap();
    std::fs::write(home.root.join("play.yml"), PLAYBOOK).unwrap();
    let path = home.definition("software", &definition(port, &key));
    let build = ["build", path.to_str().unwrap()];

    // Without Ansible, nothing is begun.
    let output = home.command().args(build).env("PATH", "/nonexistent").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    for word in
        ["`ansible-playbook` is not installed on this host", "software.toml:", "apt install ansible-core"]
    {
        assert!(stderr.contains(word), "no {word:?} in\n{stderr}");
    }
    home.assert_clean("a build without Ansible");

    home.run(&build).expect_code(0);
    let result: serde_json::Value =
        serde_json::from_slice(&std::fs::read(home.out().join("result.json")).unwrap()).unwrap();
    let proofs = result["builds"][0]["artifacts"][0]["verified"].as_array().unwrap();
    let checks: Vec<&str> = proofs
        .iter()
        .flat_map(|proof| proof["checks"].as_array().unwrap())
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    for needed in [
        "package `golden-hello=1.0` is installed",
        "`golden-hello` is held",
        "the public repositories are enabled",
    ] {
        assert!(checks.iter().any(|check| check.contains(needed)), "no {needed:?} in {checks:#?}");
    }
    assert!(server.refused() >= 2, "apt asked again after each refusal");
    home.assert_clean("software from elsewhere");
}
