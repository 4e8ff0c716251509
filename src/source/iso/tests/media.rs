//! What real tools write is read back.
use super::*;
use test_case::test_case;

const LONG: &str =
    "a-name-that-is-longer-than-sixty-four-letters-and-has.many.dots-and_a-long-extension.x86_64.rpm";

fn usual() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("casper/vmlinuz", b"the kernel"),
        ("casper/initrd", b"the first files"),
        (".disk/info", b"Ubuntu-Server 24.04\n"),
        (".treeinfo", b"[general]\n"),
        ("EFI/BOOT/grub.cfg", b"menuentry x {\n}\n"),
        ("empty", b""),
        (LONG, b"long"),
        ("Readme.txt", b"read me"),
    ]
}

#[test_case("xorriso", &["-R"], Names::RockRidge ; "xorriso, Rock Ridge")]
#[test_case("xorriso", &["--norock", "-J", "-joliet-long"], Names::Joliet ; "xorriso, Joliet")]
#[test_case("xorriso", &["-R", "-J"], Names::RockRidge ; "xorriso, both")]
#[test_case("genisoimage", &["-R"], Names::RockRidge ; "genisoimage, Rock Ridge")]
#[test_case("genisoimage", &["-J", "-joliet-long"], Names::Joliet ; "genisoimage, Joliet")]
#[test_case("genisoimage", &["-r", "-J", "-T"], Names::RockRidge ; "genisoimage, both and a table of names")]
#[test_case("genisoimage", &["-R", "-hfs"], Names::RockRidge ; "genisoimage, with an Apple tree")]
fn every_file_has_its_name_and_its_content(tool: &str, options: &[&str], names: Names) {
    let mut options = options.to_vec();
    options.extend(["-V", "Ubuntu-Server 24.04"]);
    let made = make(tree(&usual()), tool, &options);
    let iso = made.open();
    assert_eq!(iso.names(), names);
    assert_eq!(iso.label(), "Ubuntu-Server 24.04");
    assert!(iso.size() <= fs::metadata(&made.iso).unwrap().len());
    for (path, expected) in usual() {
        assert_eq!(content(&iso, path), expected, "{path}");
    }
    let mut found: Vec<String> = walk(&iso, 1000)
        .unwrap()
        .into_iter()
        .filter(|(path, entry)| entry.kind == Kind::File && !path.ends_with("TRANS.TBL"))
        .map(|(path, _)| path)
        .collect();
    found.sort();
    let mut expected: Vec<String> = usual().iter().map(|(path, _)| format!("/{path}")).collect();
    expected.sort();
    assert_eq!(found, expected);
}

#[test_case("xorriso", &["--norock"] ; "xorriso")]
#[test_case("genisoimage", &[] ; "genisoimage")]
fn without_extensions_names_lose_their_version_and_capitals_do_not_matter(tool: &str, options: &[&str]) {
    let made = make(tree(&usual()), tool, options);
    let iso = made.open();
    assert_eq!(iso.names(), Names::Plain);
    for path in
        ["casper/vmlinuz", "/CASPER/VMLINUZ", "casper//./../Casper/VmLinuz", "casper/initrd", "readme.txt"]
    {
        assert!(iso.entry(path).unwrap().is_some(), "{path}");
    }
    assert_eq!(content(&iso, "EFI/BOOT/grub.cfg"), b"menuentry x {\n}\n");
    assert!(iso.list("casper").unwrap().unwrap().iter().any(|entry| entry.name == "VMLINUZ"));
}

#[test]
fn blkid_sees_the_same_label_and_uuid() {
    for (tool, options) in
        [("xorriso", &["-R", "-V", "Two words"][..]), ("genisoimage", &["-J", "-V", "Two words"])]
    {
        let made = make(tree(&usual()), tool, options);
        let said = run("blkid", &["-p", "-o", "export", "medium.iso"], made.folder.path());
        let iso = made.open();
        assert!(said.contains(&format!("UUID={}\n", iso.uuid().unwrap())), "{tool}: {said}");
        assert_eq!(iso.label(), "Two words");
    }
}

/// ISO 9660 allows eight levels. With Rock Ridge what is deeper is put elsewhere, and seen at its place all the same.
#[test_case("genisoimage", &["-R"] ; "genisoimage")]
#[test_case("genisoimage", &["-R", "-hide-rr-moved"] ; "genisoimage, hidden")]
#[test_case("xorriso", &["-R", "-rr_reloc_dir", "/moved"] ; "xorriso")]
#[test_case("xorriso", &["-R", "-D"] ; "xorriso, deep as it is")]
fn folders_that_were_moved_are_where_they_belong(tool: &str, options: &[&str]) {
    let deep = "1/2/3/4/5/6/7/8/9/10/11/12/file";
    let made =
        make(tree(&[(deep, b"deep"), ("1/2/3/4/5/6/7/8/9/beside", b"x"), ("top", b"y")]), tool, options);
    let iso = made.open();
    assert_eq!(content(&iso, deep), b"deep");
    assert_eq!(content(&iso, "1/2/3/4/5/6/7/8/9/beside"), b"x");
    let all = walk(&iso, 1000).unwrap();
    assert_eq!(all.iter().filter(|(path, _)| path.ends_with("/file")).count(), 1, "{all:#?}");
}

#[test]
fn links_are_followed_and_circles_are_errors() {
    let folder = tree(&[("dists/bookworm/Release", b"12"), ("a", b"a")]);
    let top = folder.path().join("tree");
    for (target, link) in [
        ("bookworm", "dists/stable"),
        (".", "debian"),
        ("/dists/../a", "absolute"),
        ("../../../../etc/passwd", "out"),
        ("circle-2", "circle-1"),
        ("circle-1", "circle-2"),
        ("nowhere", "dangling"),
    ] {
        std::os::unix::fs::symlink(target, top.join(link)).unwrap();
    }
    for tool in ["xorriso", "genisoimage"] {
        let again = tempfile::tempdir().unwrap();
        run("cp", &["-a", top.to_str().unwrap(), "tree"], again.path());
        let made = make(again, tool, &["-R"]);
        let iso = made.open();
        assert_eq!(content(&iso, "debian/debian/dists/stable/Release"), b"12", "{tool}");
        assert_eq!(content(&iso, "absolute"), b"a");
        assert_eq!(iso.entry("out").unwrap(), None, "links do not lead out of the medium");
        assert_eq!(iso.entry("dangling").unwrap(), None);
        let error = iso.entry("circle-1").unwrap_err().to_string();
        assert!(error.contains("links lead in a circle at `circle-1`"), "{error}");
        let all = walk(&iso, 100).unwrap();
        let (_, link) = all.iter().find(|(path, _)| path == "/dists/stable").unwrap();
        assert_eq!(link.kind, Kind::Link("bookworm".to_owned()));
        let error = iso.copy(link, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("it is no file"), "{error}");
    }
}

#[test]
fn names_that_need_a_continuation_are_whole() {
    // Of many lengths, so that the rest of a record is cut at many places.
    let names: Vec<String> =
        (0..12).map(|number| format!("{number:0>width$}.deb", width = 130 + number * 9)).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    for tool in ["xorriso", "genisoimage"] {
        let made = make(tree(&files), tool, &["-R"]);
        let iso = made.open();
        for name in &names {
            assert_eq!(content(&iso, name), name.as_bytes(), "{tool}");
        }
    }
}

#[test]
fn what_firmware_starts_is_found() {
    let folder = tree(&[("boot/bios.img", &[1; 2048]), ("boot/efi.img", &[2; 8192]), ("x", b"x")]);
    let made = make(
        folder,
        "xorriso",
        &[
            "-R",
            "-b",
            "boot/bios.img",
            "-c",
            "boot.cat",
            "-no-emul-boot",
            "-boot-load-size",
            "4",
            "-eltorito-alt-boot",
            "-e",
            "boot/efi.img",
            "-no-emul-boot",
        ],
    );
    let iso = made.open();
    let [bios, efi] = iso.boot_images() else { panic!("{:?}", iso.boot_images()) };
    assert_eq!(
        (bios.platform, bios.bootable, bios.emulated, bios.loaded),
        (Platform::Bios, true, false, 2048)
    );
    assert_eq!((efi.platform, efi.bootable, efi.emulated, efi.loaded), (Platform::Efi, true, false, 8192));
    let bytes = made.bytes();
    assert_eq!(bytes[bios.at as usize..][..2048], [1; 2048]);
    assert_eq!(bytes[efi.at as usize..][..8192], [2; 8192]);
    let made = make(tree(&[("x", b"x")]), "xorriso", &["-R"]);
    assert_eq!(made.open().boot_images(), []);
}

#[test]
fn files_are_extracted_and_small_ones_are_texts() {
    let big = vec![7; 3_000_000];
    let made = make(tree(&[("a/b", &big), ("t", "größe\n".as_bytes())]), "genisoimage", &["-R"]);
    let iso = made.open();
    let to = made.folder.path().join("out");
    iso.extract(&iso.entry("a/b").unwrap().unwrap(), &to).unwrap();
    assert!(fs::read(&to).unwrap() == big);
    assert_eq!(iso.text("t", 1000).unwrap().unwrap(), "größe\n");
    assert_eq!(iso.text("t", 2).unwrap().unwrap(), "gr");
    assert_eq!(iso.text("a", 2).unwrap(), None, "a folder");
    assert_eq!(iso.text("a/b/c", 2).unwrap(), None, "below a file");
    assert_eq!(iso.list("t").unwrap(), None);
    assert_eq!(iso.list("missing").unwrap(), None);
    let error = iso.extract(&iso.entry("t").unwrap().unwrap(), Path::new("/nowhere/at/all")).unwrap_err();
    assert_eq!(error.to_string(), "could not write `t` of the ISO to `/nowhere/at/all`");
}

#[test]
fn a_download_that_broke_off_says_how_much_is_there() {
    let made = make(tree(&[("big", &vec![1; 3 << 20])]), "xorriso", &["-R"]);
    let file = fs::File::options().write(true).open(&made.iso).unwrap();
    file.set_len(2 << 20).unwrap();
    let error = Iso::open(&made.iso).unwrap_err();
    assert!(matches!(error, IsoError::Truncated { .. }));
    let error = error.to_string();
    assert!(
        error.contains("the ISO ends after 2 MiB of 3.") && error.ends_with(": download it again"),
        "{error}"
    );
    file.set_len(40_000).unwrap();
    assert!(matches!(Iso::open(&made.iso).unwrap_err(), IsoError::Truncated { .. }));
    file.set_len(1000).unwrap();
    assert!(matches!(Iso::open(&made.iso).unwrap_err(), IsoError::NotIso { .. }));
}

#[test_case(b"", "it is empty" ; "nothing")]
#[test_case(b"  <!DOCTYPE html><html>", "it is a web page" ; "a web page")]
#[test_case(b"QFI\xfb\0\0\0\x03", "it is a qcow2 image" ; "qcow2")]
#[test_case(b"\x1f\x8b\x08", "it is packed with gzip" ; "gzip")]
#[test_case(&vec![0; 50_000], "it has no ISO 9660 volume descriptor" ; "zeroes")]
fn what_is_no_iso_is_named(bytes: &[u8], expected: &str) {
    let error = Iso::from_bytes(bytes.to_vec()).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn compressed_files_are_refused_and_not_taken_for_what_they_hold() {
    let folder = tree(&[("plain", &vec![b'a'; 40_000])]);
    run("cp", &["-a", "tree", "kept"], folder.path());
    // xorriso compresses with a filter of its own.
    let iso = folder.path().join("medium.iso");
    run(
        "xorriso",
        &["-outdev", "medium.iso", "-map", "kept", "/", "-set_filter_r", "--zisofs", "/"],
        folder.path(),
    );
    let iso = Iso::open(&iso).unwrap();
    let error = iso.copy(&iso.entry("plain").unwrap().unwrap(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("could not read `plain` in the ISO") && error.contains("zisofs"), "{error}");
}

/// What [`super::large`] proves with four gigabytes of a real tool's, with the smallest that can be made: a file in two records.
#[test]
fn a_file_goes_on_with_the_next_record_of_its_name() {
    let made = make(
        tree(&[("part", &[b'a'; 3000]), ("paru", &[b'b'; 100]), ("pasu", b"c")]),
        "genisoimage",
        &["-D"],
    );
    let mut bytes = made.bytes();
    let places = |name: &[u8]| bytes.windows(name.len()).position(|window| window == name).unwrap();
    let (first, second) = (places(b"PART.;1"), places(b"PARU.;1"));
    bytes[second + 3] = b'T';
    // The flags of a record are eight bytes before its name.
    bytes[first - 8] |= 0x80;
    let iso = Iso::from_bytes(bytes).unwrap();
    assert_eq!(content(&iso, "part"), [vec![b'a'; 3000], vec![b'b'; 100]].concat());
    assert_eq!(content(&iso, "pasu"), b"c");
    assert_eq!(iso.list("/").unwrap().unwrap().len(), 2);
}
