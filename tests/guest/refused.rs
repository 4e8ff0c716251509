//! What is wrong before anything is made: told, and nothing is made.
use crate::support::{Home, beside};
use std::net::TcpListener;

fn disk_source(source: &str) -> String {
    format!("name = \"refused\"\n[source.disk]\n{source}\n[[output]]\nformat = \"raw\"\n")
}

#[test]
fn a_wrong_digest_names_expected_and_found() {
    let _turn = beside();
    let home = Home::new("digest");
    let image = home.root.join("image.raw");
    std::fs::write(&image, vec![7u8; 1 << 20]).unwrap();
    let digest = "0".repeat(64);
    let definition = home.definition(
        "digest",
        &disk_source(&format!(
            "path = \"{}\"\nformat = \"raw\"\ndigest = \"sha256:{digest}\"",
            image.display()
        )),
    );
    let ran = home.run(&["build", definition.to_str().unwrap()]).expect_stderr(&[&digest, "image.raw"]);
    assert!(matches!(ran.output.status.code(), Some(1 | 3)));
    home.assert_clean("a wrong digest");
}

#[test]
fn an_unreachable_mirror_is_told_before_anything_is_made() {
    let _turn = beside();
    let home = Home::new("mirror");
    // A port that was free a moment ago: nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let definition = home.definition(
        "mirror",
        &format!(
            "name = \"mirror\"\n[source.bootstrap]\nsuite = \"bookworm\"\nmirror = \"http://127.0.0.1:{port}/debian\"\n\
             [[output]]\nformat = \"raw\"\n"
        ),
    );
    home.run(&["build", definition.to_str().unwrap()])
        .expect_code(3)
        .expect_stderr(&[&format!("127.0.0.1:{port}"), "hint:"]);
    home.assert_clean("an unreachable mirror");
}

#[test]
fn kvm_that_cannot_run_a_guest_is_refused_when_it_was_demanded() {
    let _turn = beside();
    let home = Home::new("kvm");
    let image = home.root.join("image.raw");
    std::fs::write(&image, vec![0u8; 1 << 20]).unwrap();
    let definition =
        home.definition("kvm", &disk_source(&format!("path = \"{}\"\nformat = \"raw\"", image.display())));
    let doctor = home.run(&["--json", "doctor"]);
    let works = String::from_utf8_lossy(&doctor.output.stdout).contains("\"kvm\":true");
    if works {
        println!("skipped: KVM works on this host");
        return;
    }
    home.run(&["build", "--accelerator", "kvm", definition.to_str().unwrap()])
        .expect_code(3)
        .expect_stderr(&["KVM", "hint:"]);
    home.assert_clean("no KVM");
}

#[test]
fn a_typo_shows_the_caret_and_the_nearest_word() {
    let _turn = beside();
    let home = Home::new("typo");
    let definition = home.definition(
        "typo",
        "name = \"typo\"\n[source.bootstrap]\nsuite = \"bookworm\"\n[machine]\nmemroy = \"1GiB\"\n[[output]]\nformat = \"raw\"\n",
    );
    home.run(&["build", definition.to_str().unwrap()]).expect_code(2).expect_stderr(&[
        "memroy",
        "memory",
        "typo.toml:5",
    ]);
    home.assert_clean("a typo");
}
