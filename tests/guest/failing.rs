//! Builds that fail say why in bounded time, and leave nothing.
use crate::support::{Home, beside, is_root, tool};

#[test]
fn a_guest_that_never_answers_is_explained() {
    let _turn = beside();
    let home = Home::new("silent");
    let blank = home.root.join("blank.raw");
    std::fs::File::create(&blank).unwrap().set_len(64 << 20).unwrap();
    let definition = home.definition(
        "silent",
        &format!(
            "name = \"silent\"\n[source.disk]\npath = \"{}\"\nformat = \"raw\"\n[machine]\ndisk = \"64MiB\"\nmemory = \"256MiB\"\n\
             firmware = \"bios\"\n[guest]\nconnect-timeout = \"8s\"\n[[output]]\nformat = \"raw\"\n",
            blank.display()
        ),
    );
    home.run(&["build", definition.to_str().unwrap()]).expect_code(1).expect_stderr(&["8 s", "SSH server ✗"]);
    home.assert_clean("a silent guest");
}

#[test]
fn a_work_folder_that_fills_up_is_named() {
    let _turn = beside();
    if !is_root() {
        println!("skipped: mounting a small tmpfs needs root");
        return;
    }
    let home = Home::new("full");
    // 200 MiB that do not compress away, in a file that does not look large.
    let image = home.root.join("image.raw");
    let bytes: Vec<u8> =
        (0..(200u32 << 18)).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(&image, bytes).unwrap();
    tool("zstd", &["-q", "--rm", "image.raw"], &home.root);
    let small = home.root.join("small");
    std::fs::create_dir_all(&small).unwrap();
    tool("mount", &["-t", "tmpfs", "-o", "size=64m", "tmpfs", "small"], &home.root);
    let definition = home.definition(
        "full",
        &format!(
            "name = \"full\"\n[source.disk]\npath = \"{}.zst\"\nformat = \"raw\"\n[[output]]\nformat = \"raw\"\n",
            image.display()
        ),
    );
    let output = home
        .command()
        .args(["build", definition.to_str().unwrap()])
        .env("GOLDSMITH_WORK_DIR", small.join("work"))
        .env("GOLDSMITH_CACHE_DIR", small.join("cache"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let left: Vec<_> = std::fs::read_dir(small.join("work")).into_iter().flatten().flatten().collect();
    tool("umount", &["small"], &home.root);
    assert!(matches!(output.status.code(), Some(1 | 3)), "{:?}\n{stderr}", output.status);
    assert!(stderr.contains("room") || stderr.contains("free") || stderr.contains("space"), "{stderr}");
    assert!(left.is_empty(), "{left:?}");
    home.assert_clean("a full disk");
}
