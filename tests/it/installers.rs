//! `[source.iso]`, right and wrong.
use goldsmith::{
    definition::{Inputs, resolve},
    plan::{AnswerPlace, InstallerBoot, IsoDigest, IsoPlan, SourcePlan, TypedWait},
    value::{Arch, HumanDuration},
};
use std::path::Path;
use test_case::test_case;

fn iso(text: &str) -> Result<IsoPlan, Vec<String>> {
    let text = format!("name = \"image\"\n{text}\n[[output]]\nformat = \"raw\"\n");
    let inputs = Inputs { host_arch: Some(Arch::X86_64), out_dir: Some("/out".into()), ..Inputs::default() };
    let plan = resolve(&text, Path::new("/images/image.toml"), &inputs).map_err(|error| {
        error.problems().iter().map(|problem| problem.message().to_owned()).collect::<Vec<_>>()
    })?;
    let SourcePlan::Iso(iso) = plan.source else { panic!("{:?}", plan.source) };
    Ok(iso)
}

#[test]
fn a_kernel_of_the_medium_is_started_with_its_menus_arguments() {
    let iso = iso("[source.iso]\npath = \"debian.iso\"\narguments = [\"auto=true\"]\n[source.iso.answers]\ninitrd = true\n\
                   [[source.iso.answers.file]]\nname = \"preseed.cfg\"\ncontent = \"d-i\\n\"\n")
        .unwrap();
    assert_eq!((iso.digest, iso.timeout), (IsoDigest::Trusted, HumanDuration::seconds(7200)));
    assert_eq!(iso.answers.place, AnswerPlace::Initrd);
    assert_eq!((&*iso.answers.files[0].name, &*iso.answers.files[0].text), ("preseed.cfg", "d-i\n"));
    let InstallerBoot::Direct { kernel, initrd, arguments, keep_menu } = iso.boot else { panic!() };
    assert_eq!((kernel, initrd, arguments, keep_menu), (None, None, vec!["auto=true".to_owned()], true));
}

#[test]
fn keys_are_typed_after_a_time_or_a_text() {
    let iso = iso(
        "[source.iso]\npath = \"a.iso\"\n[[source.iso.type]]\nafter = \"10s\"\nkeys = \"<esc><wait2>\"\n\
                   [[source.iso.type]]\nname = \"log in\"\nserial = \"login:\"\nkeys = \"root<enter>\"\n",
    )
    .unwrap();
    let InstallerBoot::Typed { steps } = iso.boot else { panic!() };
    assert_eq!(steps[0].wait, TypedWait::Time(HumanDuration::seconds(10)));
    assert_eq!(steps[1].label, "log in");
    assert!(matches!(&steps[1].wait, TypedWait::Serial { text, .. } if text == "login:"));
}

const URL: &str = "url = \"https://example.org/a.iso\"\n";

#[test_case("url = \"https://example.org/a.iso\"", "a download needs a `digest`, or `checksums`" ; "a download without digest")]
#[test_case("path = \"a.iso\"\nurl = \"https://example.org/a.iso\"", "`[source.iso]` takes only one of `path`, `url` or `urls`" ; "two places")]
#[test_case("path = \"a.iso\"\ndigest = \"sha256:00\"", "is not a digest" ; "half a digest")]
#[test_case("path = \"a.iso\"\nkernel = \"vmlinuz\"", "is not the path of a file on the medium" ; "a relative kernel")]
#[test_case("path = \"a.iso\"\nkernel = \"/vmlinuz\"\n[[source.iso.type]]\nafter = \"1s\"\nkeys = \"x\"", "`kernel` is of no use with `[[source.iso.type]]`" ; "a kernel and keys")]
#[test_case("path = \"a.iso\"\n[[source.iso.type]]\nkeys = \"x\"", "a `[[source.iso.type]]` needs `after` or `serial`" ; "keys at no time")]
#[test_case("path = \"a.iso\"\n[[source.iso.type]]\nafter = \"1s\"\nkeys = \"<entr>\"", "<entr>" ; "an unknown key")]
#[test_case("path = \"a.iso\"\n[source.iso.answers]\nvolume = \"far too long\"\nfile = []", "cannot be the label" ; "a long label")]
#[test_case("path = \"a.iso\"\n[[source.iso.answers.file]]\nname = \"../x\"\ncontent = \"\"", "cannot name a file of answers" ; "a file elsewhere")]
#[test_case("path = \"a.iso\"\n[[source.iso.answers.file]]\nname = \"x\"", "needs `content` or `source`" ; "a file without text")]
fn what_is_wrong_is_said(text: &str, expected: &str) {
    let messages = iso(&format!("[source.iso]\n{text}\n")).unwrap_err();
    assert!(messages.len() == 1 && messages[0].contains(expected), "{messages:?}");
}

#[test]
fn a_list_of_digests_is_as_good_as_a_digest() {
    let iso = iso(&format!("[source.iso]\n{URL}checksums = \"https://example.org/SHA256SUMS\"\n")).unwrap();
    assert!(matches!(iso.digest, IsoDigest::Listed(url) if url.path() == "/SHA256SUMS"));
}

#[test]
fn the_debian_example_shows_what_its_installer_is_given() {
    let path = Path::new("examples/debian-iso.toml");
    let inputs = Inputs { host_arch: Some(Arch::X86_64), out_dir: Some("/out".into()), ..Inputs::default() };
    let plan = goldsmith::definition::load(path, &inputs).unwrap();
    let SourcePlan::Iso(iso) = plan.source else { panic!() };
    assert!(matches!(iso.digest, IsoDigest::Listed(_)));
    assert!(iso.answers.files[0].text.contains("grub-installer/force-efi-extra-removable"));
    let checked = std::process::Command::new("debconf-set-selections")
        .args(["-c", "examples/debian-preseed.cfg"])
        .status()
        .expect("debconf is essential on Debian");
    assert!(checked.success());
}
