//! Definitions as people write them, right and wrong.
use goldsmith::{
    definition::{DefinitionError, Inputs, TemplateKind, json_schema, load, resolve, template},
    plan::{
        Compression, Content, Mirror, Origin, OutputFormat, PartitionSize, Plan, SecretSource, SeedKind,
        SourcePlan, StepKind,
    },
    value::{Arch, Size},
};
use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;
use std::{
    fs,
    path::{Path, PathBuf},
};
use test_case::test_case;

/// A definition that is right, without its name: tests add to it.
const REST: &str = "\n[source.bootstrap]\nsuite = \"bookworm\"\n[[output]]\nformat = \"qcow2\"\n";

fn inputs() -> Inputs {
    Inputs { host_arch: Some(Arch::X86_64), out_dir: Some(PathBuf::from("/out")), ..Inputs::default() }
}

fn with_vars(vars: &[(&str, &str)]) -> Inputs {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Inputs { vars, ..inputs() }
}

fn resolved(text: &str) -> Result<Plan, DefinitionError> {
    resolve(text, Path::new("/images/image.toml"), &inputs())
}

/// `text` with all that is required around it.
fn whole(text: &str) -> String {
    format!("name = \"image\"\n{text}{REST}")
}

fn plan(text: &str) -> Plan {
    resolved(&whole(text)).unwrap_or_else(|error| panic!("{}", drawn(&error)))
}

/// The error as a person without colours sees it.
fn drawn(error: &DefinitionError) -> String {
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(110)
        .with_links(false)
        .render_report(&mut text, error)
        .unwrap();
    text
}

fn wrong(text: &str) -> String {
    match resolve(text, Path::new("image.toml"), &inputs()) {
        Ok(plan) => panic!("this is wrong, but it is a plan: {plan:?}"),
        Err(error) => drawn(&error),
    }
}

fn messages(text: &str) -> Vec<String> {
    let error = resolved(text).unwrap_err();
    error.problems().iter().map(|problem| problem.message().to_owned()).collect()
}

/// The only message about a definition that is right but for `text`.
fn message(text: &str) -> String {
    let mut all = messages(&whole(text));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

// ---- what comes out of a right one

#[test]
fn the_least_definition_has_defaults_for_all_the_rest() {
    insta::assert_json_snapshot!(plan(""));
}

#[test]
fn the_debian_example_resolves() {
    let text = fs::read_to_string("examples/debian-12.toml").unwrap();
    let plan = resolve(&text, Path::new("/images/debian-12.toml"), &inputs()).unwrap();
    insta::assert_json_snapshot!(plan);
}

#[test]
fn the_cloud_image_example_resolves_once_its_digest_is_given() {
    let path = Path::new("examples/cloud-image.toml");
    let missing = load(path, &inputs()).unwrap_err();
    assert!(missing.to_string().starts_with("the variable `digest` has no value"), "{missing}");
    let digest = format!("sha256:{}", "ab".repeat(32));
    let plan = load(path, &with_vars(&[("digest", &digest)])).unwrap();
    let SourcePlan::Disk(disk) = &plan.source else { panic!("{:?}", plan.source) };
    assert_eq!(disk.digest.as_ref().unwrap().to_string(), digest);
    assert!(matches!(&disk.origins[..], [Origin::Url(url)] if url.host_str() == Some("images.example.org")));
}

#[test_case(TemplateKind::Bootstrap ; "bootstrap")]
#[test_case(TemplateKind::Disk ; "disk")]
#[test_case(TemplateKind::Iso ; "iso")]
fn what_init_writes_resolves(kind: TemplateKind) {
    let plan = resolved(&template(kind)).unwrap_or_else(|error| panic!("{}", drawn(&error)));
    assert_eq!(plan.outputs[0].format, OutputFormat::Qcow2);
}

#[test]
fn loading_makes_paths_absolute_from_the_right_folders() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("motd"), "golden\n").unwrap();
    fs::write(folder.path().join("setup.sh"), "echo ${HOME}\n").unwrap();
    let path = folder.path().join("image.toml");
    let steps = "[[provision]]\nfile = { dest = \"/etc/motd\", source = \"motd\" }\n\
        [[provision]]\nshell = { script-file = \"setup.sh\" }\n";
    fs::write(&path, whole(steps)).unwrap();
    let plan = load(&path, &Inputs { host_arch: Some(Arch::X86_64), ..Inputs::default() }).unwrap();
    assert_eq!(plan.definition, path);
    assert_eq!(plan.outputs[0].path, std::env::current_dir().unwrap().join("out/image.qcow2"));
    let StepKind::File(file) = &plan.provision[0].kind else { panic!() };
    assert_eq!(file.content, Content::Path(folder.path().join("motd")));
    let StepKind::Shell(shell) = &plan.provision[1].kind else { panic!() };
    assert_eq!(shell.script, "echo ${HOME}\n", "nothing is replaced in a script file");
    assert_eq!(plan.provision[1].label, "run setup.sh");
}

#[test]
fn steps_know_their_line_and_have_a_label() {
    let plan = plan("[[provision]]\nreboot = true\n\n[[provision]]\npackage.install = [\"jq\"]\n");
    assert_eq!(plan.provision[0].at, "/images/image.toml:2");
    assert_eq!(plan.provision[1].at, "/images/image.toml:5");
    assert_eq!(plan.provision[1].label, "install jq");
    assert_eq!((plan.provision[0].retries, plan.provision[1].retries), (0, 3));
}

#[test]
fn the_kernel_follows_the_suite_and_the_architecture() {
    let kernel = |suite: &str, arch: &str| {
        let text = format!(
            "name = \"i\"\narch = \"{arch}\"\nsource.bootstrap.suite = \"{suite}\"\noutput = [{{ format = \"raw\" }}]"
        );
        let SourcePlan::Bootstrap(bootstrap) = resolved(&text).unwrap().source else { panic!() };
        bootstrap.kernel
    };
    assert_eq!(kernel("bookworm", "x86_64"), "linux-image-amd64");
    assert_eq!(kernel("trixie", "arm64"), "linux-image-arm64");
    assert_eq!(kernel("noble", "x86_64"), "linux-image-generic");
}

#[test]
fn outputs_say_what_their_consumers_want() {
    let plan = resolved(
        r#"
name = "image"
[source.bootstrap]
suite = "bookworm"
[[output]]
format = "raw.zst"
level = 19
[[output]]
format = "qcow2"
compression = "zstd"
[[output]]
format = "ova"
path = "image-v1.ova"
[output.ova]
hardware-version = 19
secure-boot = true
networks = ["nic0"]
product = "Image"
version = "1.0"
annotation = "For the lab.\nNot for more."
properties = { BUILD_TIMESTAMP = "1", kubernetes = "v1.34.1" }
[[output]]
format = "ova"
"#,
    )
    .unwrap_or_else(|error| panic!("{}", drawn(&error)));
    assert_eq!(plan.outputs[0].level, Some(19));
    assert_eq!(plan.outputs[1].compression, Some(Compression::Zstd));
    let ova = plan.outputs[2].ova.as_ref().unwrap();
    assert_eq!(
        (ova.hardware_version, ova.secure_boot, &ova.networks[..]),
        (19, true, &["nic0".to_owned()][..])
    );
    assert_eq!(ova.properties["kubernetes"], "v1.34.1");
    assert_eq!(plan.outputs[3].path, Path::new("/out/image.ova"));
    assert_eq!(plan.outputs[3].ova.as_ref().unwrap().networks, ["VM Network"]);
    assert_eq!(plan.outputs[0].ova, None);
}

#[test_case("format = \"raw.lz4\"\nlevel = 3", "a `raw.lz4` output has no compression level")]
#[test_case(
    "format = \"raw.xz\"\nlevel = 12",
    "12 is not a compression level: it goes from 0 (fast) to 9 (small)"
)]
#[test_case(
    "format = \"qcow2\"\nlevel = 13",
    "13 is not a compression level: it goes from 1 (fast) to 12 (small)"
)]
#[test_case(
    "format = \"raw\"\ncompression = \"zstd\"",
    "only a `qcow2` has a `compression`: the others have it in their name"
)]
#[test_case("format = \"vmdk\"\n[output.ova]\nnetworks = []", "only an `ova` describes a machine")]
#[test_case(
    "format = \"ova\"\n[output.ova]\nhardware-version = 4",
    "4 is not a hardware version: it goes from 10 to 99"
)]
#[test_case(
    "format = \"ova\"\n[output.ova]\nvendor = \"we\"",
    "who made what, or in which version, needs a `product`"
)]
#[test_case(
    "format = \"ova\"\n[output.ova]\nproperties = { \"a.b\" = \"c\" }",
    "`a.b` cannot be the key of a property"
)]
fn an_output_that_cannot_be_is_refused(output: &str, said: &str) {
    let text = format!("name = \"image\"\n[source.bootstrap]\nsuite = \"bookworm\"\n[[output]]\n{output}\n");
    assert_eq!(messages(&text), [said]);
}

#[test]
fn secure_boot_needs_uefi() {
    let text = "name = \"image\"\n[source.bootstrap]\nsuite = \"bookworm\"\n[machine]\nfirmware = \"bios\"\n\
                [[output]]\nformat = \"ova\"\nova = { secure-boot = true }\n";
    assert_eq!(
        messages(text),
        ["Secure Boot needs `firmware = \"efi\"` in `[machine]` and hardware version 13 or later"]
    );
}

#[test]
fn keys_come_by_credentials_where_no_cloud_init_reads_a_seed() {
    let least = "name = \"image\"\n[source.bootstrap]\nsuite = \"bookworm\"\ncloud-init = false\n\
                 [[output]]\nformat = \"qcow2\"\n";
    let guest = resolved(least).unwrap().guest;
    assert_eq!((guest.seed, guest.user.as_str()), (SeedKind::Credentials, "root"));
    let guest = plan("[guest]\nseed = \"credentials\"\n").guest;
    assert_eq!((guest.seed, guest.user.as_str()), (SeedKind::Credentials, "root"));
    let clash = format!("{least}[guest]\nseed = \"nocloud\"\n");
    assert_eq!(messages(&clash), ["the source has no cloud-init that could read a `nocloud` seed"]);
}

#[test]
fn partitions_keep_their_order() {
    let text = "name = \"i\"\n[source.bootstrap]\nsuite = \"bookworm\"\nmirror = \"http://deb.example.org/debian\"\n\
        [[source.bootstrap.partition]]\nmount = \"/\"\nsize = \"4GiB\"\nlabel = \"root\"\n\
        [[source.bootstrap.partition]]\nmount = \"/var\"\nsize = \"rest\"\n[[output]]\nformat = \"raw\"\n";
    let SourcePlan::Bootstrap(bootstrap) = resolved(text).unwrap().source else { panic!() };
    assert!(matches!(bootstrap.mirror, Mirror::Url { security: None, .. }));
    assert_eq!(bootstrap.partitions[0].size, PartitionSize::Fixed(Size::gib(4)));
    assert_eq!(bootstrap.partitions[1].size, PartitionSize::Rest);
}

// ---- variables and secrets

const VARIABLE: &str = "[machine]\nmemory = \"${var.memory}\"\n[var.memory]\ndefault = \"1GiB\"\n";

fn memory(inputs: &Inputs) -> Size {
    resolve(&whole(VARIABLE), Path::new("/images/image.toml"), inputs).unwrap().machine.memory
}

#[test]
fn the_strongest_origin_of_a_variable_wins() {
    let folder = tempfile::tempdir().unwrap();
    let definition = folder.path().join("image.toml");
    fs::write(&definition, whole(VARIABLE)).unwrap();
    let file = |name: &str, size: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("memory = \"{size}\"\nfor-another-image = \"x\"\n")).unwrap();
        path
    };
    let (first, last) = (file("a.toml", "3GiB"), file("b.toml", "4GiB"));
    let memory = |inputs: &Inputs| load(&definition, inputs).unwrap().machine.memory;

    let mut inputs = inputs();
    assert_eq!(memory(&inputs), Size::gib(1), "the default");
    inputs.env.insert("GOLDSMITH_VAR_MEMORY".to_owned(), "2GiB".to_owned());
    assert_eq!(memory(&inputs), Size::gib(2), "the environment");
    inputs.var_files = vec![first, last];
    assert_eq!(memory(&inputs), Size::gib(4), "the last var file");
    inputs.vars = vec![("memory".to_owned(), "5GiB".to_owned()), ("memory".to_owned(), "6GiB".to_owned())];
    assert_eq!(memory(&inputs), Size::gib(6), "the last flag");
}

#[test]
fn numbers_and_booleans_can_come_from_variables() {
    let plan = plan(
        "[var.n]\ndefault = \"4\"\n[var.t]\ndefault = \"false\"\n[machine]\ncpus = \"${var.n}\"\n\
         [seal]\ntrim = \"${var.t}\"\n",
    );
    assert_eq!((plan.machine.cpus, plan.seal.trim), (4, false));
}

#[test]
fn a_given_variable_must_be_defined_and_used() {
    let error = |vars: &[(&str, &str)]| {
        resolve(&whole(VARIABLE), Path::new("image.toml"), &with_vars(vars)).unwrap_err()
    };
    insta::assert_snapshot!("undefined_variable", drawn(&error(&[("memroy", "2GiB")])));
    let unused = whole("[var.spare]\n");
    let unused = resolve(&unused, Path::new("image.toml"), &with_vars(&[("spare", "1")])).unwrap_err();
    insta::assert_snapshot!("unused_variable", drawn(&unused));
    assert_eq!(memory(&with_vars(&[("memory", "512MiB")])), Size::mib(512));
}

#[test]
fn a_wrong_value_from_a_variable_names_it_and_its_origin() {
    let error = resolve(&whole(VARIABLE), Path::new("image.toml"), &with_vars(&[("memory", "lots")]));
    insta::assert_snapshot!(drawn(&error.unwrap_err()));
}

#[test]
fn a_var_file_that_is_wrong_is_shown_itself() {
    let folder = tempfile::tempdir().unwrap();
    let definition = folder.path().join("image.toml");
    fs::write(&definition, whole(VARIABLE)).unwrap();
    let vars = folder.path().join("vars.toml");
    fs::write(&vars, "# shared\nmemory = 1.50\n").unwrap();
    let error = load(&definition, &Inputs { var_files: vec![vars], ..inputs() }).unwrap_err();
    let drawn = drawn(&error).replace(folder.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(drawn);
}

#[test]
fn secrets_stay_placeholders_where_they_may_be_used() {
    let plan = plan(
        "[secret.token]\nfile = \"token\"\n[secret.key]\ncommand = [\"pass\", \"key\"]\n[secret.pin]\nenv = \"PIN\"\n\
         [[provision]]\nshell = { run = \"use ${secret.token} $${HOME}\", env = { PIN = \"${secret.pin}\" } }\n\
         [[provision]]\nfile = { dest = \"/k\", content = \"${secret.key}\" }\n",
    );
    let StepKind::Shell(shell) = &plan.provision[0].kind else { panic!() };
    assert_eq!(shell.script, "use ${secret.token} ${HOME}");
    assert_eq!(shell.env["PIN"], "${secret.pin}");
    assert_eq!(plan.secrets["token"], SecretSource::File("/images/token".into()));
    assert_eq!(plan.secrets["key"], SecretSource::Command(vec!["pass".to_owned(), "key".to_owned()]));
}

#[test]
fn secrets_are_refused_elsewhere_and_when_unknown() {
    insta::assert_snapshot!(wrong(&whole(
        "[secret.token]\nenv = \"TOKEN\"\n[guest]\nuser = \"${secret.token}\"\n\
         [[provision]]\nshell = '''\nset -e\necho ${secret.tokn} ${HOME}\n'''\n",
    )));
}

// ---- what people see when it is wrong

#[test]
fn an_unknown_key_is_shown_with_the_nearest_name() {
    insta::assert_snapshot!(wrong(&whole("[machine]\nmemroy = \"2GiB\"\n")));
}

#[test]
fn all_problems_are_shown_at_once() {
    insta::assert_snapshot!(wrong(
        r#"name = "debian 12"
memory = "2GiB"
kubernetes = 1.30

[source.bootstrap]
suit = "bookworm"
components = "main"

[machine]
cpus = "two"
memory = 2.5
firmware = "uefi"
disk = "8 apples"

[[provision]]
file = { dest = "/etc/motd", content = "x", mode = 644 }

[[provision]]
role = "kubernetes-nod"

[[provision]]
reboot = true
shell = "true"

[output]
format = "ova"
"#
    ));
}

#[test]
fn numbers_in_place_of_strings_are_explained() {
    insta::assert_snapshot!(wrong(&format!("name = 1.30\n{REST}")));
}

#[test]
fn text_that_is_not_toml_is_shown() {
    insta::assert_snapshot!(wrong("name = \"image\"\nfile = { mode = 0644 }\n[source\n"));
}

#[test]
fn two_sources_point_at_both() {
    insta::assert_snapshot!(wrong(&whole("[source.disk]\npath = \"disk.img\"\n")));
}

#[test]
fn an_empty_definition_names_what_is_missing() {
    insta::assert_snapshot!(wrong(""));
    insta::assert_snapshot!("a_comment_names_what_is_missing", wrong("# nothing\n"));
}

#[test]
fn a_local_file_that_is_not_there_is_shown_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.toml");
    let steps = "[[provision]]\nfile = { dest = \"/etc/motd\", source = \"motd\" }\n\
        [[provision]]\nshell.script-file = \".\"\n";
    fs::write(&path, whole(steps)).unwrap();
    let error = load(&path, &inputs()).unwrap_err();
    insta::assert_snapshot!(drawn(&error).replace(folder.path().to_str().unwrap(), "DIR"));
    let missing = load(&folder.path().join("none.toml"), &inputs()).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read the definition"), "{missing}");
    assert!(std::error::Error::source(&missing).unwrap().to_string().contains("No such file"));
}

#[test]
fn problems_know_their_place() {
    let error = resolved("name = \"é\"; x\n").unwrap_err();
    assert_eq!(error.problems()[0].line(), Some(1));
    let error = resolved(&whole("[machine]\ncpus = 2\n  memroy = 1\n")).unwrap_err();
    let problem = &error.problems()[0];
    assert_eq!((problem.line(), problem.column()), (Some(4), Some(3)));
    assert_eq!(problem.file(), Some("/images/image.toml"));
    assert_eq!(problem.advice(), Some("did you mean `memory`?"));
}

#[test_case("[machine]\nmemory = \"128MiB\"", "128 MiB of memory is too little: it must be at least 256 MiB")]
#[test_case("[machine]\ncpus = 0", "a machine cannot have 0 CPUs")]
#[test_case("[machine]\ncpus = -1", "`-1` is not a whole number from 0 to 4294967295")]
#[test_case("[machine]\ndriver = \"hyperv\"", "`hyperv` is not a driver")]
#[test_case("[machine]\nuri = \"xen:///\"", "`xen:///` is not the URI of a libvirt connection to QEMU")]
#[test_case("[guest]\nuser = \"a b\"", "`a b` cannot be the name of a user")]
#[test_case("[guest]\nseed = \"credentials\"\nuser = \"ann\"", "credentials let only `root` in")]
#[test_case("[guest]\nseed = \"floppy\"", "`floppy` is not a kind of seed")]
#[test_case("[guest]\nconnect-timeout = \"0s\"", "a time limit of zero always fails")]
#[test_case("[[machine]]\ncpus = 1", "`machine` takes a table, but this is a list")]
#[test_case(
    "[[provision]]\ndirectory = { path = \"/\", absent = true }",
    "the root folder can be neither removed nor emptied"
)]
#[test_case(
    "[[provision]]\ndirectory = { path = \"/srv\", absent = true, mode = \"0700\" }",
    "a folder that is `absent` has no `mode`"
)]
#[test_case("[[provision]]\ndirectory.path = \"srv\"", "`srv` is not the path of a folder in a guest")]
#[test_case("[[provision]]\nlink.path = \"/a\"", "a `link` needs `to`")]
#[test_case(
    "[[provision]]\nlink = { path = \"/a\", to = \"b\", absent = true }",
    "a link that is `absent` points to nothing"
)]
#[test_case(
    "[[provision]]\nline = { path = \"/a\", match = \"x\" }",
    "`line` of a `[[provision]]` needs `line`"
)]
#[test_case("[[provision]]\nline = { path = \"/a\", line = \"x\\ny\" }", "`line` is one line")]
#[test_case(
    "[[provision]]\nline = { path = \"/a\", line = \"x\", absent = true, after = \"y\" }",
    "a line that is `absent` has no `after`"
)]
#[test_case("[[provision]]\nunit.name = \"a\"", "`unit` needs `content` or `source`")]
#[test_case(
    "[[provision]]\nunit = { name = \"a\", content = \"x\", masked = true }",
    "a unit with `content` cannot be `masked`: the mask takes the place of its file"
)]
#[test_case(
    "[[provision]]\nunit = { name = \"a\", content = \"x\", drop-in = \"a\" }",
    "`a` cannot be the name of a drop-in"
)]
#[test_case("[[provision]]\nsysctl.values = {}", "this `sysctl` names no value")]
#[test_case(
    "[[provision]]\nsysctl.values = { swappiness = \"1\" }",
    "`swappiness` is not the name of a kernel parameter, such as `vm.swappiness`"
)]
#[test_case(
    "[[provision]]\nsysctl = { file = \"/etc/sysctl.d/x\", values = { \"vm.swappiness\" = \"1\" } }",
    "`/etc/sysctl.d/x` is not the path of such a file"
)]
#[test_case("[[provision]]\nmodule = {}", "this `module` names nothing to `load` or `blacklist`")]
#[test_case(
    "[[provision]]\nmodule = { load = [\"a\"], blacklist = [\"a\"] }",
    "`a` cannot be both loaded and blacklisted"
)]
#[test_case(
    "[[provision]]\ngroup = { name = \"a\", absent = true, gid = 3 }",
    "a group that is `absent` has no `gid`"
)]
#[test_case(
    "[[provision]]\nsudoers = { name = \"a.b\", content = \"x\" }",
    "`a.b` cannot name a file of rules"
)]
#[test_case("[[provision]]\nsudoers.name = \"a\"", "`sudoers` needs `content`")]
#[test_case("[[provision]]\nhostname = \"-x\"", "`-x` is not a host name")]
#[test_case(
    "[[provision]]\nhosts.entries = { \"10.0.0.256\" = [\"a\"] }",
    "`10.0.0.256` is not an IP address"
)]
#[test_case("[[provision]]\nswap = {}", "`swap` needs `off` or `file`")]
#[test_case("[[provision]]\nswap.file = \"/swap\"", "a swap `file` needs a `size`")]
#[test_case(
    "[[provision]]\nswap = { file = \"/swap\", size = \"1KiB\" }",
    "`1KiB` is not the size of a swap file"
)]
#[test_case("[[provision]]\nmount = { path = \"/srv\", fs = \"ext4\" }", "a `mount` needs `device`")]
#[test_case(
    "[[provision]]\nmount = { path = \"/srv\", absent = true, fs = \"ext4\" }",
    "a mount that is `absent` has no `fs`"
)]
#[test_case(
    "[[provision]]\nmount = { device = \"/dev/vdb\", path = \"/srv\", fs = \"swap\" }",
    "swap is not mounted"
)]
#[test_case("[[provision]]\nwait-for = {}", "`wait-for` needs `path`, `port`, `unit` or `run`")]
#[test_case(
    "[[provision]]\nwait-for = { path = \"/a\", host = \"b\" }",
    "`host` says where a `port` is, but this waits for none"
)]
#[test_case("[[provision]]\nwait-for.port = 70000", "70000 is no TCP port: they go from 1 to 65535")]
#[test_case("[[provision]]\nwait-for = { path = \"/a\", every = \"0s\" }", "`0s` is not a pause")]
#[test_case(
    "[[provision]]\ncheck = { run = \"x\", equals = \"a\", matches = \"b\" }",
    "`check` takes only one of `equals`, `matches` or `exit-code`"
)]
#[test_case(
    "[[provision]]\ncheck = { run = \"x\", exit-code = 256 }",
    "256 is no exit code: they go from 0 to 255"
)]
#[test_case(
    "[[provision]]\npackage = { upgrade = true, latest = true }",
    "`latest` is about what `install` names, but it names nothing"
)]
#[test_case("[[provision]]\npackage.hold = [\"a=1\"]", "`a=1` is not the name of a package")]
#[test_case(
    "[[provision]]\nrepository.name = \"a\"",
    "`repository` needs `uris`, `baseurl`, `public`, `source` or `absent`"
)]
#[test_case("[[provision]]\nrepository.public = \"off\"", "`off` is no state of the public repositories")]
#[test_case(
    "[[provision]]\nrepository = { name = \"a\", uris = [\"https://x/\"], suites = [\"s\"] }",
    "suites that end with `/` have no `components`, and all others have some"
)]
#[test_case(
    "[[provision]]\nrepository = { name = \"a\", baseurl = \"https://x/\", suites = [\"s\"] }",
    "a `repository` with `baseurl` has no `suites`"
)]
#[test_case(
    "[[provision]]\nrepository = { name = \"a\", baseurl = \"https://x/\", key = \"x\" }",
    "`x` is not an ASCII-armoured key"
)]
#[test_case("[[provision]]\nrepository.baseurl = \"https://x/\"", "this `repository` needs a `name`")]
#[test_case(
    "[[provision]]\ndownload = { url = \"https://x/y\", dest = \"/y\" }",
    "a `download` with a `url` needs a `digest` or a `digest-url`"
)]
#[test_case(
    "[[provision]]\ndownload = { url = \"https://x/y\", dest = \"/y\", digest = \"sha256:x\" }",
    "`sha256:x` is not a digest"
)]
#[test_case(
    "[[provision]]\narchive = { url = \"https://x/y\", path = \"/y\", dest = \"/z\" }",
    "`archive` takes only one of `url`, `path` or `source`"
)]
#[test_case(
    "[[provision]]\narchive = { path = \"/y\", dest = \"/z\", via = \"guest\" }",
    "this is about a download, but there is no `url`"
)]
#[test_case("[[provision]]\nimage.pull = [\"pause\"]", "`pause` is not the name of an image")]
#[test_case(
    "[[provision]]\nimage = { pull = [\"a/b:1\"], via = \"host\" }",
    "this is about an archive of images, but these are pulled by name"
)]
#[test_case("[[provision]]", "a `[[provision]]` needs a kind of step, such as `shell` or `file`")]
#[test_case("[[provision]]\nshell = \"x\"\nreboot = true", "a `[[provision]]` is of one kind only")]
#[test_case("[[provision]]\nreboot = false", "`reboot = false` is no step: write `true`, or remove the step")]
#[test_case("[[provision]]\nshell = \" \"", "the script is empty")]
#[test_case(
    "[[provision]]\nshell = { run = \"x\", exit-codes = [256] }",
    "256 is no exit code: they go from 0 to 255"
)]
#[test_case(
    "[[provision]]\nshell = { run = \"x\", env = { \"1A\" = \"x\" } }",
    "`1A` cannot name an environment variable"
)]
#[test_case("[[provision]]\nshell = \"${HOME}\"", "`${HOME}` is not defined")]
#[test_case(
    "[[provision]]\nshell = 3",
    "`provision.shell` takes a script or a table, but this is an integer"
)]
#[test_case(
    "[[provision]]\npackage = {}",
    "this `package` names nothing to `install`, `remove`, `hold` or `upgrade`"
)]
#[test_case("[[provision]]\npackage.install = [\"--force\"]", "`--force` is not the name of a package")]
#[test_case(
    "[[provision]]\npackage = { install = [\"a=1\"], remove = [\"a\"] }",
    "`a` cannot be both installed and removed by one step"
)]
#[test_case(
    "[[provision]]\nservice.name = \"ssh\"",
    "this `service` changes nothing: say `enabled`, `masked` or `state`"
)]
#[test_case(
    "[[provision]]\nservice = { name = \"ssh\", masked = true, state = \"started\" }",
    "a masked unit can be neither enabled nor started"
)]
#[test_case(
    "[[provision]]\nfile = { dest = \"etc/motd\", content = \"\" }",
    "`etc/motd` is not the path of a file in a guest"
)]
#[test_case(
    "[[provision]]\nfile = { dest = \"/etc/motd\", content = \"\", mode = \"999\" }",
    "`999` is not permission bits: write three or four octal digits, such as `0644`"
)]
#[test_case(
    "[[provision]]\nuser = { name = \"a\", absent = true, sudo = true }",
    "a user that is `absent` has no `sudo`"
)]
#[test_case(
    "[[provision]]\nuser = { name = \"a\", authorized-keys = [\"-----BEGIN OPENSSH PRIVATE KEY-----\"] }",
    "`-----BEGIN OPENSSH PRIVATE KEY-----` is not a public SSH key"
)]
#[test_case(
    "[verify]\nboot = false\ncommands = [\"true\"]",
    "commands that verify need a boot, but `boot` is false"
)]
#[test_case("[[output]]\nformat = \"raw\"\nlevel = 3", "a `raw` output has no compression level")]
#[test_case(
    "[[output]]\nformat = \"qcow2\"\npath = \"./image.qcow2\"",
    "two outputs are written to `/out/image.qcow2`"
)]
#[test_case(
    "arch = \"aarch64\"\n[machine]\nfirmware = \"bios\"",
    "an `aarch64` machine has no `bios`: it boots by `efi`"
)]
#[test_case("[var.\"a b\"]\ndefault = \"\"", "`a b` cannot name a variable")]
#[test_case(
    "[var.a]\ndefault = \"${var.b}\"",
    "`${var.b}` cannot be used here, because variables are read first"
)]
#[test_case("arch = \"${name}\"", "`${name}` is not known yet where this is read")]
#[test_case("[secret.a]", "a `[secret.NAME]` needs `env`, `file`, `command` or `json`")]
#[test_case("[secret.a]\njson = { file = \"v.json\" }", "`key` is missing in `json` of a `[secret.NAME]`")]
#[test_case("[secret.a]\ncommand = []", "a command needs at least a program")]
#[test_case("[guest]\nuser = \"a\\u0000\"", "`guest.user` holds a NUL character, which no program takes")]
fn what_cannot_be_built_is_refused(text: &str, expected: &str) {
    assert_eq!(message(&format!("{text}\n")), expected);
}

/// Problems of a definition with this source.
fn source_messages(source: &str) -> Vec<String> {
    messages(&format!("name = \"i\"\n{source}\n[[output]]\nformat = \"raw\"\n"))
}

#[test_case(
    "[source]",
    "`[source]` needs `bootstrap`, `disk`, `iso`, `ami`, `vsphere`, `nutanix` or `cloudstack`"
)]
#[test_case(
    "[source.disk]\nurl = \"https://example.org/a.img\"",
    "a download needs a `digest`, or `checksums`"
)]
#[test_case("[source.disk]\nurls = []", "`urls` names no URL")]
#[test_case(
    "[source.disk]\nurl = \"ftp://example.org/a\"",
    "`ftp://example.org/a` cannot be used: a URL here starts with `http://`, `https://` or `file://`"
)]
#[test_case(
    "[source.disk]\npath = \"a\"\ndigest = \"sha256:12\"",
    "`sha256:12` is not a digest: write `sha256:` and 64 hexadecimal digits, or `sha512:` and 128"
)]
#[test_case("[source.bootstrap]", "`suite` is missing in `[source.bootstrap]`")]
#[test_case(
    "[source.bootstrap]\nsuite = \"a\"\nmirror = \"hots\"",
    "`hots` is neither `host` nor the URL of a mirror"
)]
#[test_case(
    "[source.bootstrap]\nsuite = \"a\"\nsecurity-mirror = \"http://s.example.org\"",
    "a `security-mirror` needs a `mirror` that is a URL"
)]
#[test_case(
    "[source.bootstrap]\nsuite = \"a\"\npartition = [{ mount = \"/a\", size = \"rest\" }]",
    "no partition is mounted at `/`"
)]
#[test_case(
    "[source.bootstrap]\nsuite = \"a\"\npartition = [{ mount = \"/a\", size = \"rest\" }, { mount = \"/\", size = \"1G\" }]",
    "only the last partition can take the rest of the disk"
)]
#[test_case(
    "[source.bootstrap]\nsuite = \"a\"\npartition = [{ mount = \"/\", size = \"1G\" }, { mount = \"/\", size = \"1G\" }]",
    "two partitions are mounted at `/`"
)]
#[test_case(
    "[source.bootstrap]\nsuite = \"a\"\npartition = [{ mount = \"/\", size = \"8GiB\" }]",
    "the partitions need 8.1 GiB, but the disk has 8 GiB"
)]
#[test_case(
    "[source.bootstrap]\nsuite = \"a\"\npartition = [{ mount = \"/\", size = \"rest\", label = \"more-than-16-bytes\" }]",
    "`more-than-16-bytes` cannot be a label"
)]
fn a_source_that_cannot_work_is_refused(source: &str, expected: &str) {
    assert_eq!(source_messages(source), [expected]);
}

#[test]
fn without_a_known_host_the_architecture_must_be_said() {
    let error =
        resolve(&whole(""), Path::new("i.toml"), &Inputs { host_arch: None, ..inputs() }).unwrap_err();
    assert_eq!(error.to_string(), "`arch` is missing at the top level");
}

// ---- the schema, and everything else

#[test]
fn the_committed_schema_is_current() {
    let path = Path::new("schema/definition.json");
    let now = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    if std::env::var_os("GOLDSMITH_BLESS").is_some() {
        fs::create_dir_all("schema").unwrap();
        fs::write(path, &now).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == now, "schema/definition.json is stale: run the tests with GOLDSMITH_BLESS=1");
}

/// Pieces of definitions, so that random texts get past the parser.
fn piece() -> impl Strategy<Value = String> {
    let line = prop::sample::select(
        fs::read_to_string("examples/debian-12.toml")
            .unwrap()
            .lines()
            .map(str::to_owned)
            .chain(
                [
                    "[var.a]",
                    "[secret.a]",
                    "[source.disk]",
                    "urls = []",
                    "[[source.bootstrap.partition]]",
                    "mount = \"/\"",
                    "size = \"rest\"",
                    "size = \"99999 TiB\"",
                    "cpus = 0x7fffffffffffffffff",
                    "memory = \"${var.a}\"",
                    "\"${\" = 1",
                    "x = \"\"\"\n${é",
                    "role = 1",
                    "with = {}",
                    "mode = 0o7777",
                    "shell.env.A = \"${secret.a}\"",
                    "a.b.c = [[{}]]",
                    "timeout = \"1e999s\"",
                    "memory = \"1.5.5G\"",
                ]
                .map(str::to_owned),
            )
            .collect::<Vec<_>>(),
    );
    prop_oneof![8 => line, 1 => any::<String>(), 1 => "[\\[\\]{}=\"'.$a-z\\n ]{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_loader_panic(pieces in prop::collection::vec(piece(), 0..24), value in any::<String>()) {
        let text = pieces.join("\n");
        let inputs = Inputs { vars: vec![("a".to_owned(), value)], ..inputs() };
        if let Err(error) = resolve(&text, Path::new("/images/image.toml"), &inputs) {
            prop_assert!(!error.problems().is_empty());
            drawn(&error);
        }
    }

    #[test]
    fn no_bytes_make_the_loader_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = resolve(&text, Path::new("image.toml"), &inputs()) {
            drawn(&error);
        }
    }

    #[test]
    fn a_broken_example_never_makes_the_loader_panic(at in 0usize..5000, cut in 0usize..200, insert in ".{0,3}") {
        let mut text: Vec<char> = fs::read_to_string("examples/debian-12.toml").unwrap().chars().collect();
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        text.splice(at..end, insert.chars());
        let text: String = text.into_iter().collect();
        if let Err(error) = resolve(&text, Path::new("image.toml"), &inputs()) {
            drawn(&error);
        }
    }
}
