//! Bundles of made-up files: what was put in comes out, damage is noticed, hostile ones are refused.
use super::{
    cut::tests::noise,
    layout::{FOOTER, Footer, HEADER},
    *,
};
use crate::{
    fetch::Stock as _,
    plan::InputKind,
    value::{Digest, DigestAlgorithm},
};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256, Sha512};
use std::{
    io::{Cursor, Read},
    path::{Path, PathBuf},
};

fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(DigestAlgorithm::Sha256, &Sha256::digest(bytes)).unwrap()
}

fn source(url: &str, bytes: &[u8]) -> Source<'static> {
    let bytes = bytes.to_vec();
    let card = Card {
        sha256: sha256(&bytes),
        sha512: Digest::from_bytes(DigestAlgorithm::Sha512, &Sha512::digest(&bytes)),
        bytes: bytes.len() as u64,
        kind: InputKind::File,
        urls: vec![url.parse().unwrap()],
        needed_by: vec!["a test".to_owned()],
    };
    Source { card, open: Box::new(move || Ok(Box::new(Cursor::new(bytes)))) }
}

fn written(sources: Vec<Source<'_>>, level: i32, since: Option<&Bundles>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, sources, Manner { level, since }, &mut |_| Ok(())).unwrap();
    out
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn read(bundles: &Bundles, url: &str) -> std::io::Result<Vec<u8>> {
    let held = bundles.find(&url.parse().unwrap()).unwrap();
    let mut bytes = Vec::new();
    bundles.open(&held)?.read_to_end(&mut bytes)?;
    assert_eq!(bytes.len() as u64, held.bytes);
    Ok(bytes)
}

#[test]
fn what_is_put_in_comes_out_by_address_and_by_digest() {
    let folder = tempfile::tempdir().unwrap();
    let big = [noise(1, 3_000_000), b"text ".repeat(200_000)].concat();
    let files = || {
        vec![
            source("https://a.example/big", &big),
            source("https://a.example/empty", b""),
            source("https://user:secret@a.example/small?x=1#part", b"small"),
            source("https://b.example/same", &big),
        ]
    };
    let bytes = written(files(), 3, None);
    assert!(!bytes.windows(6).any(|six| six == b"secret"));
    let mut turned = files();
    turned.reverse();
    assert!(bytes == written(turned, 3, None), "the order of the inputs does not matter");
    let path = put(folder.path(), "x.bundle", &bytes);
    let bundles = Bundles::open(&[path.clone(), path]).unwrap();
    assert_eq!(read(&bundles, "https://a.example/big").unwrap(), big);
    assert_eq!(read(&bundles, "https://b.example/same#x").unwrap(), big);
    assert_eq!(read(&bundles, "https://a.example/empty").unwrap(), b"");
    assert_eq!(read(&bundles, "https://a.example/small?x=1").unwrap(), b"small");
    assert_eq!(bundles.find(&"https://a.example/small".parse().unwrap()), None);
    let sha512 = Digest::from_bytes(DigestAlgorithm::Sha512, &Sha512::digest(b"small")).unwrap();
    assert_eq!(bundles.find_digest(&sha512).unwrap().digest, sha256(b"small"));
    let about = &bundles.about()[0];
    assert_eq!((about.files, about.unique), (3, big.len() as u64 + 5));
    assert!(about.stored < 3_300_000, "text is packed: {}", about.stored);
    for from in [0, 1, 40_000, big.len() as u64 - 1, big.len() as u64, 9_999_999] {
        let mut rest = Vec::new();
        bundles.read(&sha256(&big), from).unwrap().read_to_end(&mut rest).unwrap();
        assert!(rest == big[(from as usize).min(big.len())..], "from {from}");
    }
    assert_eq!(verify(&bundles, &mut |_| Ok(())).unwrap().damaged, []);
}

#[test]
fn a_delta_has_what_changed_and_needs_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let old = noise(1, 4 << 20);
    let mut new = old.clone();
    new.splice(2_000_000..2_000_100, *b"changed");
    let first = written(vec![source("https://a/x", &old), source("https://a/gone", b"gone")], 3, None);
    let one = put(folder.path(), "one.bundle", &first);
    let since = Bundles::open(std::slice::from_ref(&one)).unwrap();
    let delta = written(vec![source("https://a/x", &new), source("https://a/new", b"new")], 3, Some(&since));
    assert!(delta.len() < (1 << 20), "{} of {}", delta.len(), first.len());
    let two = put(folder.path(), "two.bundle", &delta);
    let alone = Bundles::open(std::slice::from_ref(&two)).unwrap_err();
    let said = crate::cx::causes(&alone).join(": ");
    assert!(said.contains(&since.about()[0].id.to_string()) && said.contains("two.bundle"), "{said}");
    assert!(alone.hint_text().unwrap().contains("one.bundle"), "{alone:?}");
    for order in [[&one, &two], [&two, &one]] {
        let both = Bundles::open(&order.map(Clone::clone)).unwrap();
        assert!(read(&both, "https://a/x").unwrap() == new, "the newer one is meant");
        assert_eq!(read(&both, "https://a/gone").unwrap(), b"gone");
        assert_eq!(both.cards().len(), 3, "the old `x` is asked for by nobody");
        assert_eq!(both.newest().len(), 2);
        assert_eq!(verify(&both, &mut |_| Ok(())).unwrap().damaged, []);
    }
    // Nothing in common: a bundle of its own.
    let other = written(vec![source("https://a/z", &noise(9, 100_000))], 3, Some(&since));
    let other = put(folder.path(), "other.bundle", &other);
    assert!(Bundles::open(&[other]).unwrap().about()[0].since.is_empty());
}

#[test]
fn damage_anywhere_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = written(
        vec![source("https://a/x", &noise(1, 60_000)), source("https://a/t", &b"text".repeat(9000))],
        3,
        None,
    );
    for at in (0..bytes.len()).step_by(997).chain(bytes.len() - FOOTER..bytes.len()).chain(0..20) {
        let mut broken = bytes.clone();
        broken[at] ^= 0x40;
        let path = put(folder.path(), "broken.bundle", &broken);
        let noticed = match Bundles::open(&[path]) {
            Err(error) => error.kind() == BundleErrorKind::Damaged,
            Ok(bundles) => !verify(&bundles, &mut |_| Ok(())).unwrap().damaged.is_empty(),
        };
        assert!(noticed, "byte {at} of {}", bytes.len());
    }
    for length in [0, 10, HEADER, HEADER + FOOTER, bytes.len() / 2, bytes.len() - 1] {
        let path = put(folder.path(), "cut.bundle", &bytes[..length]);
        assert_eq!(Bundles::open(&[path]).unwrap_err().kind(), BundleErrorKind::Damaged, "{length}");
    }
    let mut newer = bytes;
    newer[16] = 9;
    let error = Bundles::open(&[put(folder.path(), "newer.bundle", &newer)]).unwrap_err();
    assert!(crate::cx::causes(&error).join(" ").contains("version 9"), "{error:?}");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let mut wrong = source("https://a/x", b"one");
    wrong.open = Box::new(|| Ok(Box::new(Cursor::new(b"two".to_vec()))));
    let error = write(&mut Vec::new(), vec![wrong], Manner::default(), &mut |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("changed while"), "{error}");
}

/// A file around an index and what is to be its chunks, right but for what they say.
fn around(chunks: &[u8], json: &[u8]) -> Vec<u8> {
    let mut bytes = layout::header().to_vec();
    bytes.extend_from_slice(chunks);
    let footer = Footer {
        at: bytes.len() as u64,
        stored: json.len() as u64,
        bytes: json.len() as u64,
        sha256: Sha256::digest(json).into(),
    };
    bytes.extend_from_slice(json);
    bytes.extend_from_slice(&footer.write());
    bytes
}

#[test]
fn an_index_that_contradicts_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let digest = sha256(b"abc");
    let hex = digest.hex();
    let file = |chunks: &str, bytes: u64, url: &str| {
        format!(
            r#"{{"sha256":"{digest}","bytes":{bytes},"kind":"file","urls":["{url}"],"needed-by":[],"chunks":{chunks}}}"#
        )
    };
    let index = |files: &str, chunks: &str| format!(r#"{{"files":[{files}],"chunks":[{chunks}]}}"#);
    let open =
        |json: String| Bundles::open(&[put(folder.path(), "x.bundle", &around(b"abc", json.as_bytes()))]);
    let chunk = format!(r#"["{hex}",3,3]"#);
    let right = open(index(&file("[[0,1]]", 3, "https://a/x"), &chunk)).unwrap();
    assert_eq!(read(&right, "https://a/x").unwrap(), b"abc");
    let many = format!("{},{}", file("[[0,1]]", 3, "https://a/x"), file("[[0,1]]", 3, "https://a/x#2"));
    for (json, why) in [
        (index(&file("[[0,1]]", 4, "https://a/x"), &chunk), "another length"),
        (index(&file("[[0,2]]", 3, "https://a/x"), &chunk), "not there"),
        (index(&file("[[4294967295,4294967295]]", 3, "https://a/x"), &chunk), "not there"),
        (index(&file("[[0,1],[1,0]]", 3, "https://a/x"), &chunk), "no chunks"),
        (index("", &format!(r#"["{hex}",3,2]"#)), "do not fill"),
        (index("", &format!(r#"["{hex}",0,0]"#)), "length that cannot be"),
        (index("", &format!(r#"["{hex}",4294967295,3]"#)), "length that cannot be"),
        (index("", &format!(r#"["{hex}",2,3]"#)), "length that cannot be"),
        (index("", &format!(r#"["{hex}",3,0]"#)), "in no file"),
        (index("", r#"["zz",3,3]"#), "digest that is none"),
        (index(&many, &chunk), "another one has"),
        ("{".to_owned(), "its index is wrong"),
        ("[".repeat(100_000), "its index is wrong"),
    ] {
        let error = open(json.clone()).unwrap_err();
        let said = crate::cx::causes(&error).join(": ");
        assert!(said.contains(why) && error.kind() == BundleErrorKind::Damaged, "{why}: {said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_a_bundle_or_refused(tail in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..200, flip in any::<u8>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = written(vec![source("https://a/x", b"some text")], 1, None);
        let at = at % bytes.len();
        bytes[at] ^= flip;
        for bytes in [bytes, tail.clone(), around(&tail, br#"{"files":[],"chunks":[]}"#), around(b"", &tail)] {
            let path = put(folder.path(), "x.bundle", &bytes);
            if let Ok(bundles) = Bundles::open(&[path]) {
                let _ = verify(&bundles, &mut |_| Ok(())).unwrap();
            }
        }
    }

    #[test]
    fn files_of_any_content_survive(contents in proptest::collection::vec((any::<u64>(), 0_usize..200_000, any::<bool>()), 0..6), level in prop_oneof![Just(0), Just(3)]) {
        let folder = tempfile::tempdir().unwrap();
        let contents: Vec<Vec<u8>> = contents
            .into_iter()
            .map(|(seed, length, text)| if text { b"line of text\n".repeat(length / 13) } else { noise(seed, length) })
            .collect();
        let sources = contents.iter().enumerate().map(|(n, bytes)| source(&format!("https://a/{n}"), bytes)).collect();
        let path = put(folder.path(), "x.bundle", &written(sources, level, None));
        let bundles = Bundles::open(&[path]).unwrap();
        for (n, bytes) in contents.iter().enumerate() {
            prop_assert_eq!(&read(&bundles, &format!("https://a/{n}")).unwrap(), bytes);
        }
    }
}
