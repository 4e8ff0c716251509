//! `[source.iso]`, right and wrong.
use goldsmith::{
    definition::{Inputs, load, resolve},
    plan::{AnswerPlace, InstallerBoot, IsoDigest, IsoPlan, Plan, SeedKind, SourcePlan, TypedWait},
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
#[test_case("path = \"a.iso\"\n[[source.iso.type]]\nkeys = \"x\"", "a `[[source.iso.type]]` needs `after`, `serial` or `screen`" ; "keys at no time")]
#[test_case("path = \"a.iso\"\n[[source.iso.type]]\nafter = \"1s\"\nkeys = \"<entr>\"", "<entr>" ; "an unknown key")]
#[test_case("path = \"a.iso\"\n[source.iso.answers]\nvolume = \"far too long\"\nfile = []", "cannot be the label" ; "a long label")]
#[test_case("path = \"a.iso\"\n[[source.iso.answers.file]]\nname = \"../x\"\ncontent = \"\"", "cannot name a file of answers" ; "a file elsewhere")]
#[test_case("path = \"a.iso\"\n[[source.iso.answers.file]]\nname = \"x\"", "needs `content` or `source`" ; "a file without text")]
#[test_case("path = \"a.iso\"\n[source.iso.answers]\nserve = true\nfile = []", "nothing tells the installer where its answers are served" ; "answers that nobody finds")]
#[test_case("path = \"a.iso\"\narguments = [\"url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/a\"]", "are where answers are served, and none are" ; "an address of nothing")]
#[test_case("path = \"a.iso\"\narguments = [\"url={{ .HTTPIP }}\"]\n[source.iso.answers]\nserve = true\nvolume = \"X\"\nfile = []", "answers are either served or on a medium" ; "served and on a medium")]
fn what_is_wrong_is_said(text: &str, expected: &str) {
    let messages = iso(&format!("[source.iso]\n{text}\n")).unwrap_err();
    assert!(messages.len() == 1 && messages[0].contains(expected), "{messages:?}");
}

#[test]
fn answers_are_served_where_the_arguments_say() {
    let iso = iso(
        "[source.iso]\npath = \"a.iso\"\narguments = [\"url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg\"]\n\
         [source.iso.answers]\nserve = true\nfile = [{ name = \"preseed.cfg\", content = \"d-i\" }]\n",
    )
    .unwrap();
    assert_eq!(iso.answers.place, AnswerPlace::Served);
}

#[test]
fn a_list_of_digests_is_as_good_as_a_digest() {
    let iso = iso(&format!("[source.iso]\n{URL}checksums = \"https://example.org/SHA256SUMS\"\n")).unwrap();
    assert!(matches!(iso.digest, IsoDigest::Listed(url) if url.path() == "/SHA256SUMS"));
}

const INSTALL: &str = "name = \"x\"\n[source.iso]\npath = \"a.iso\"\n[source.iso.install]\n";

/// The plan of a definition with an `[source.iso.install]` of these keys, and what more it says.
fn install(keys: &str, more: &str) -> Result<Plan, Vec<String>> {
    let text = format!("{INSTALL}{keys}\n{more}\n[[output]]\nformat = \"raw\"\n");
    let inputs = Inputs { host_arch: Some(Arch::X86_64), out_dir: Some("/out".into()), ..Inputs::default() };
    resolve(&text, Path::new("/d/x.toml"), &inputs)
        .map_err(|error| error.problems().iter().map(|problem| problem.message().to_owned()).collect())
}

fn iso_of(plan: Plan) -> IsoPlan {
    let SourcePlan::Iso(iso) = plan.source else { panic!("{:?}", plan.source) };
    iso
}

#[test_case("debian-12", "", SeedKind::Credentials, "root", "preseed.cfg" ; "debian")]
#[test_case("rhel-9.4", "", SeedKind::Credentials, "root", "ks.cfg" ; "rhel 9")]
#[test_case("almalinux-8", "", SeedKind::NoCloud, "goldsmith", "ks.cfg" ; "systemd of 8 is too old")]
#[test_case("ubuntu-24.04", "", SeedKind::NoCloud, "goldsmith", "user-data" ; "ubuntu")]
#[test_case("ubuntu-24.04", "[guest]\nseed = \"credentials\"", SeedKind::Credentials, "root", "user-data" ; "another seed")]
#[test_case("photon-5", "", SeedKind::NoCloud, "goldsmith", "ks.json" ; "photon")]
fn the_system_decides_about_answers_and_seed(
    system: &str,
    more: &str,
    seed: SeedKind,
    user: &str,
    file: &str,
) {
    let plan = install(&format!("system = \"{system}\""), more).unwrap();
    assert_eq!((plan.guest.seed, &*plan.guest.user), (seed, user));
    let iso = iso_of(plan);
    assert_eq!(iso.answers.files[0].name, file);
    assert_eq!(iso.install.unwrap().seed, seed);
    assert!(matches!(
        iso.boot,
        InstallerBoot::Direct { kernel: Some(_), initrd: Some(_), keep_menu: false, .. }
    ));
}

#[test]
fn what_the_definition_says_changes_answers_and_command_line() {
    let keys = "system = \"ubuntu-22.04\"\npackages = [\"snapd\", \"jq\"]\nnetwork = { address = \"10.1.2.3/16\", gateway = \"10.1.0.1\", dns = [\"10.1.0.2\"] }\n\
                swap = \"1GiB\"\nuser = [{ name = \"ops\", sudo = true, authorized-keys = [\"ssh-ed25519 AAAA ops\"] }]\nlate = [\"echo it's done\"]";
    let text = format!("{INSTALL}{keys}\n[source.iso.answers]\nfile = [{{ name = \"extra\", content = \"x\" }}]\n[[output]]\nformat = \"raw\"\n")
        .replacen("path = \"a.iso\"", "path = \"a.iso\"\narguments = [\"nomodeset\"]\nkernel = \"/casper/hwe-vmlinuz\"", 1);
    let inputs = Inputs { host_arch: Some(Arch::X86_64), out_dir: Some("/out".into()), ..Inputs::default() };
    let iso = iso_of(resolve(&text, Path::new("/d/x.toml"), &inputs).unwrap());
    let InstallerBoot::Direct { kernel, initrd, arguments, .. } = &iso.boot else { panic!() };
    assert_eq!(
        (kernel.as_deref(), initrd.as_deref(), &*arguments.join(" ")),
        (
            Some("/casper/hwe-vmlinuz"),
            Some("/casper/initrd"),
            "autoinstall ds=nocloud console=tty0 console=ttyS0,115200n8 nomodeset"
        )
    );
    let names: Vec<&str> = iso.answers.files.iter().map(|file| &*file.name).collect();
    assert_eq!(names, ["user-data", "meta-data", "finish.sh", "extra"]);
    let said = |name: usize, text: &str| assert!(iso.answers.files[name].text.contains(text), "{text}");
    said(0, "    - \"jq\"\n");
    said(0, "addresses: [\"10.1.2.3/16\"]");
    said(2, "add_user ops 'ssh-ed25519 AAAA ops'");
    said(2, "sh -eu -c 'echo it'\\''s done'");
    assert!(!iso.answers.files[2].text.contains("purge snapd"), "who asks for snapd gets it");
}

#[test_case("system = \"windows-11\"" => "`windows-11` is no system that can be installed")]
#[test_case("system = \"debian-11\"" => "goldsmith has no answers for the installer of debian `11`: it knows 12 and 13")]
#[test_case("system = \"debian-12\"\nlayout = \"automatic\"" => "the installer debian-installer does not make the disk layout `automatic`: it makes root, efi-root and efi-boot-root")]
#[test_case("system = \"debian-12\"\nlayout = \"root\"" => "a disk with the layout `root` does not boot by efi: it has no EFI system partition; choose `efi-root`")]
#[test_case("system = \"debian-12\"\nlocale = \"C\"" => "the locale `C` is not one: Debian's installer needs a country; write `en_US.UTF-8`")]
#[test_case("system = \"photon-5\"\nproxy = \"http://proxy:3128\"" => "the installer photon cannot be told of a proxy")]
#[test_case("system = \"rhel-9\"\nnetwork = { address = \"10.0.0.1\" }" => "`10.0.0.1` is no IPv4 address with the bits of its network")]
#[test_case("system = \"rhel-9\"\nmirror = \"somewhere\"" => "`somewhere` is not `medium`, `distribution` or the address of a mirror: relative URL without a base")]
#[test_case("system = \"rhel-9\"\nsecurity-mirror = \"http://x\"" => "`security-mirror` needs `mirror` to be an address")]
#[test_case("system = \"rhel-9\"\nlayuot = \"root\"" => "`layuot` is not a key of `[source.iso.install]`")]
#[test_case("system = \"rhel-9\"\nearly = [\"\"\"\na\n%end\n\"\"\"]" => "could not fill the template `built-in template anaconda.cfg`: invalid operation: line 2 of the script begins with `%end`, which kickstart takes for its own (in anaconda.cfg:80)")]
fn answers_that_cannot_be_are_refused(keys: &str) -> String {
    install(keys, "").unwrap_err().remove(0)
}

#[test_case("system = \"rhel-8\"", "[guest]\nseed = \"credentials\"" => "rhel 8 does not take the keys of a build from a system credential: its systemd is older than 252" ; "seed of a newer system")]
#[test_case("system = \"debian-12\"", "[source.iso.answers]\nvolume = \"X\"\nfile = []" => "with `[source.iso.install]`, answers are where its installer looks for them" ; "another place")]
#[test_case("system = \"debian-12\"", "[source.iso.answers]\nfile = [{ name = \"preseed.cfg\", content = \"\" }]" => "the file of answers `preseed.cfg` is written by `[source.iso.install]`; a `template` changes it" ; "the same file")]
#[test_case("system = \"debian-12\"", "[[source.iso.type]]\nafter = \"1s\"\nkeys = \"x\"" => "the installer of debian has its answers in its initial RAM disk, so its kernel is started directly: leave `[[source.iso.type]]` out" ; "typed to")]
#[test_case("system = \"debian-12\"", "[guest.login]\nuser = \"ops\"\nhost-key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkGUrw+qNrqLKyxMTgXoANP2vGpkUYx9hHn0JlQ0rCk\"\nagent = true\n[verify]\nboot = false" => "preseed.cfg (from built-in template preseed.cfg): these answers create no user `ops`, as whom `[guest.login]` logs in" ; "a login of nobody")]
fn answers_that_do_not_fit_the_rest_are_refused(keys: &str, more: &str) -> String {
    install(keys, more).unwrap_err().remove(0)
}

/// What a template of one's own gives is read as the installer would read it, and the finding names file and line.
#[test]
fn a_template_of_ones_own_is_read_before_anything_boots() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.toml");
    std::fs::write(folder.path().join("a.iso"), "").unwrap();
    let keys = "system = \"rocky-9\"\ntemplate = \"mine.cfg\"\n[machine]\nfirmware = \"efi\"\n[[output]]\nformat = \"raw\"\n";
    std::fs::write(&path, format!("{INSTALL}{keys}")).unwrap();
    let inputs = Inputs { host_arch: Some(Arch::X86_64), out_dir: Some("/out".into()), ..Inputs::default() };
    let template = |text: &str| std::fs::write(folder.path().join("mine.cfg"), text).unwrap();
    template("{% extends \"anaconda.cfg\" %}\n{% block mode %}\ninstall\n{% endblock %}\n");
    let error = load(&path, &inputs).unwrap_err();
    let problem = &error.problems()[0];
    let own = folder.path().join("mine.cfg");
    assert_eq!(
        problem.message(),
        format!(
            "ks.cfg (from {}), line 3: RHEL 9 and later no longer have the command `install`; these answers are for 9",
            own.display()
        )
    );
    assert_eq!((problem.line(), problem.advice().is_some()), (Some(6), true));
    // A remark is no reason to refuse.
    template(
        "{% extends \"anaconda.cfg\" %}\n{% block access %}\n{{ super() }}user --name=ops --password=x\n{% endblock %}\n",
    );
    let iso = iso_of(load(&path, &inputs).unwrap());
    assert!(iso.remarks[0].contains("a password for a user stays in the image"), "{:?}", iso.remarks);
}

/// `goldsmith plan` needs no medium to show to the letter what an installer is given.
#[test_case("debian-iso")]
#[test_case("ubuntu-2404-iso")]
#[test_case("rhel-9-iso")]
fn the_examples_show_all_that_their_installers_are_given(name: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    let out = assert_cmd::Command::cargo_bin("goldsmith")
        .unwrap()
        .args(["plan", &format!("examples/{name}.toml")])
        .assert()
        .success();
    let text = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    settings.bind(|| insta::assert_snapshot!(format!("plan-{name}"), text));
}
