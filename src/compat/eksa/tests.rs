//! Every check with its message, in its order; configuration files; what they come to in Packer's variables.
use super::*;
use crate::compat::{CompatError, capi::SecretPlace};
use std::{collections::BTreeMap, io, path::Path};
use test_case::test_case;

const SUM: &str = "9bc6028870aef3f74f4e16b900008179e78b130e6b0b9a140635434a46aa98b0";

/// Flags from words as on a command line; `@` before a configuration means its text, not a file.
struct Typed {
    flags: Flags,
    files: BTreeMap<String, String>,
}

fn typed(words: &str) -> Typed {
    let mut flags = Flags { release_channel: "1-34".into(), ..Flags::default() };
    let mut files = BTreeMap::new();
    for word in words.split("--").map(str::trim).filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once(' ').unwrap_or((word, ""));
        let value = value.trim().to_owned();
        let by_name = |config: &str| {
            Hypervisor::ALL.into_iter().find(|hypervisor| config == format!("{hypervisor}-config"))
        };
        match name {
            "os" => flags.os = value,
            "os-version" => flags.os_version = value,
            "hypervisor" => flags.hypervisor = value,
            "release-channel" => flags.release_channel = value,
            "firmware" => flags.firmware = value,
            "builder" => flags.builder = value,
            "manifest-tarball" => flags.manifest_tarball = true,
            "air-gapped" => flags.air_gapped = true,
            "force" => flags.force = true,
            "dev" => flags.dev = true,
            "ansible-verbosity" => flags.ansible_verbosity = value.parse().unwrap(),
            "files-config" => {
                files.insert("/here/files.json".to_owned(), value);
                flags.files_config = Some("files.json".into());
            }
            other => {
                let hypervisor = by_name(other).unwrap_or_else(|| panic!("{other}"));
                files.insert(format!("/here/{hypervisor}.json"), value);
                flags.configs.insert(hypervisor, format!("{hypervisor}.json").into());
            }
        }
    }
    Typed { flags, files }
}

fn check(words: &str) -> Result<Asked, CompatError> {
    let Typed { flags, files } = typed(words);
    Asked::check(&flags, Path::new("/here"), |path: &Path| {
        let found = files.get(&path.display().to_string());
        found.map(|text| text.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    })
}

fn good(words: &str) -> Asked {
    check(words).unwrap_or_else(|error| panic!("{words}: {error} ({:?})", error.hints()))
}

/// A configuration with a medium, a login, and a Satellite's or a site's keys.
fn with(keys: &[(&str, &str)]) -> String {
    let map: BTreeMap<&str, &str> = keys.iter().copied().collect();
    serde_json::to_string(&map).unwrap()
}

const ISO: [(&str, &str); 3] =
    [("iso_url", "http://h/x.iso"), ("iso_checksum", SUM), ("iso_checksum_type", "sha256")];
const LOGIN: [(&str, &str); 2] = [("rhel_username", "u"), ("rhel_password", "p")];
const SATELLITE: [(&str, &str); 4] = [
    ("rhsm_server_hostname", "sat.example.com"),
    ("rhsm_server_release_version", "9.4"),
    ("rhsm_activation_key", "ak"),
    ("rhsm_org_id", "org"),
];
const SITE: [(&str, &str); 5] = [
    ("eksa_build_tooling_repo_url", "https://git/a.git"),
    ("image_builder_repo_url", "https://git/b.git"),
    ("extra_repos", "/etc/site.list"),
    ("private_artifacts_eksd_fqdn", "http://art/eks-d"),
    ("private_artifacts_eksa_fqdn", "http://art/eks-a"),
];

// The rows of the order of checks, from the first to the last.
#[test_case("--os Ubuntu --hypervisor nowhere", "Invalid OS type. Please choose ubuntu or redhat"; "1 os in capitals")]
#[test_case("--os debian --hypervisor nowhere", "Invalid OS type. Please choose ubuntu or redhat"; "1 another os")]
#[test_case("--os ubuntu --hypervisor kvm --ansible-verbosity 9", "kvm is not supported yet. Please select one of vsphere,baremetal,nutanix,cloudstack,ami"; "2 hypervisor")]
#[test_case("--os ubuntu --hypervisor cloudstack --ansible-verbosity 9", "Invalid OS type. Only redhat OS is supported for CloudStack"; "3 cloudstack")]
#[test_case("--os redhat --hypervisor ami --ansible-verbosity 9", "Invalid OS type. Only ubuntu OS is supported for AMI"; "3 ami")]
#[test_case("--os ubuntu --hypervisor baremetal --ansible-verbosity 7 --os-version 1", "Invalid Ansible verbosity level. Please provide a value in the range 0 to 6"; "4 verbosity")]
#[test_case("--os ubuntu --hypervisor baremetal --ansible-verbosity -1", "Invalid Ansible verbosity level. Please provide a value in the range 0 to 6"; "4 verbosity below")]
#[test_case("--os redhat --hypervisor vsphere --os-version 7 --builder clone", "Invalid OS version for RedHat. Please choose 8 or 9"; "5 redhat in a vCenter")]
#[test_case("--os ubuntu --hypervisor baremetal --builder clone --os-version 18.04", "Clone builder is only supported for vSphere hypervisor"; "6 clone")]
#[test_case("--os ubuntu --hypervisor baremetal --os-version 18.04 --firmware x", "18.04 is not a supported version of Ubuntu. Please select one of 22.04,24.04"; "7 ubuntu")]
#[test_case("--os ubuntu --hypervisor baremetal --os-version 20.04", "20.04 is not a supported version of Ubuntu. Please select one of 22.04,24.04"; "7 focal")]
#[test_case("--os ubuntu --hypervisor baremetal --os-version 20.04 --dev", "Ubuntu 20.04 is not built by this command, not even with --dev"; "7 focal with dev")]
#[test_case("--os redhat --hypervisor nutanix --os-version 10 --firmware x", "10 is not a supported version of Redhat. Please select one of 8,9"; "7 redhat")]
#[test_case("--os ubuntu --hypervisor nutanix --firmware uefi --air-gapped", "uefi is not a firmware. Please select one of bios,efi"; "8 firmware")]
#[test_case("--os ubuntu --hypervisor nutanix --firmware efi", "For Ubuntu, EFI firmware is only supported for OVA and Raw builds"; "8 efi ubuntu nutanix")]
#[test_case("--os ubuntu --hypervisor ami --firmware efi", "For Ubuntu, EFI firmware is only supported for OVA and Raw builds"; "8 efi ubuntu ami")]
#[test_case("--os redhat --hypervisor cloudstack --firmware efi --os-version 9", "For RedHat, EFI firmware is only supported for OVA and Raw builds"; "8 efi redhat cloudstack")]
#[test_case("--os redhat --hypervisor vsphere --firmware efi --os-version 8", "Only RedHat version 9 supports EFI firmware"; "8 efi redhat 8")]
#[test_case("--os ubuntu --hypervisor baremetal --firmware bios --air-gapped", "Ubuntu Raw builds only support EFI firmware"; "8 bios ubuntu raw")]
#[test_case("--os redhat --hypervisor baremetal --firmware bios --os-version 9", "RedHat version 9 Raw builds only support EFI firmware"; "8 bios redhat 9 raw")]
#[test_case("--os redhat --hypervisor vsphere --air-gapped --builder x", "Please provide --manifest-tarball when running air-gapped builds"; "10 tarball")]
#[test_case("--os redhat --hypervisor vsphere --air-gapped --manifest-tarball --builder x", "Only Ubuntu os is supported for air-gapped builds"; "10 redhat")]
#[test_case("--os ubuntu --hypervisor ami --air-gapped --manifest-tarball --builder x", "AMI hypervisor not supported for air-gapped builds"; "10 ami")]
#[test_case("--os ubuntu --hypervisor vsphere --builder template", "Invalid builder type. Please choose iso or clone"; "11 builder")]
#[test_case("--os ubuntu --hypervisor vsphere", "vsphere-config is a required flag for vsphere hypervisor or when os is redhat"; "12 vsphere")]
#[test_case("--os ubuntu --hypervisor nutanix", "nutanix-config is a required flag for nutanix hypervisor or when os is redhat"; "12 nutanix")]
#[test_case("--os redhat --hypervisor cloudstack", "cloudstack-config is a required flag for cloudstack hypervisor or when os is redhat"; "12 cloudstack")]
#[test_case("--os redhat --hypervisor baremetal", "baremetal-config is a required flag for baremetal hypervisor or when os is redhat"; "12 redhat on metal")]
#[test_case("--os ubuntu --hypervisor baremetal --baremetal-config [1]", "Error reading baremetal config file: `/here/baremetal.json` is a list"; "14 no object")]
#[test_case("--os ubuntu --hypervisor baremetal --baremetal-config {", "Error reading baremetal config file: `/here/baremetal.json` is no JSON"; "14 no JSON")]
#[test_case("--os ubuntu --hypervisor baremetal --release-channel latest", "--release-channel is a channel of EKS Distro"; "15 channel")]
#[test_case("--os ubuntu --hypervisor baremetal --release-channel", "--release-channel is a channel of EKS Distro"; "15 channel empty")]
fn what_was_typed_is_refused_in_the_order_and_words_of_the_original(words: &str, message: &str) {
    assert_eq!(check(words).unwrap_err().to_string(), message);
}

/// Checks of a hypervisor's file. `all` has what is right; each row takes something away from it, or changes it.
fn refused(hypervisor: &str, flags: &str, all: &[&[(&str, &str)]], change: (&str, &str)) -> String {
    let mut map: BTreeMap<&str, &str> = all.concat().into_iter().collect();
    good(&format!(
        "{flags} --hypervisor {hypervisor} --{hypervisor}-config {}",
        serde_json::to_string(&map).unwrap()
    ));
    map.insert(change.0, change.1);
    let text = serde_json::to_string(&map).unwrap();
    check(&format!("{flags} --hypervisor {hypervisor} --{hypervisor}-config {text}")).unwrap_err().to_string()
}

const NUTANIX: [(&str, &str); 2] = [("nutanix_username", "u"), ("nutanix_password", "p")];
const IMAGE: [(&str, &str); 1] = [("image_url", "http://art/x.img")];
const BOTH: &str = "\"rhel_username\" and \"rhel_password\" are required fields in config when os is redhat";
const NO_ISO: &str = "\"iso_url\" is a required field in config when os is redhat";
const NO_SUM: &str = "Please provide a valid checksum for \"iso_checksum\" when providing \"iso_url\"";
const NO_TYPE: &str = "\"iso_checksum_type\" is a required field when providing iso_checksum. Checksum type can be sha256 or sha512";
const NO_RELEASE: &str = "RHSM version required when satelite server hostname is set for RHSM";
const NO_KEY: &str = "Activation key and Org ID are required to use RHSM with satellite";
const NOT_RED: &str = "RedHat Subscription Manager Config (RHSM) cannot be provided when OS is not RedHat";

/// What is in the file, what is changed in it, and what is said then.
type Row<'a> = (&'a [&'a [(&'a str, &'a str)]], (&'a str, &'a str), &'a str);

#[test_case("vsphere"; "vsphere")]
#[test_case("baremetal"; "baremetal")]
#[test_case("cloudstack"; "cloudstack")]
fn media_and_subscriptions_are_checked(hypervisor: &str) {
    let red = "--os redhat --os-version 9";
    let rows: [Row<'_>; 9] = [
        (&[&ISO, &LOGIN], ("rhel_username", ""), BOTH),
        (&[&ISO, &LOGIN], ("rhel_password", ""), BOTH),
        (&[&ISO, &LOGIN], ("iso_url", ""), NO_ISO),
        (&[&ISO, &LOGIN], ("iso_checksum", ""), NO_SUM),
        (&[&ISO, &LOGIN], ("iso_checksum_type", "md5"), NO_TYPE),
        (&[&ISO, &LOGIN], ("iso_checksum_type", "sha512"), "\"iso_checksum\" is no sha512 digest"),
        (&[&ISO, &SATELLITE], ("rhsm_server_release_version", ""), NO_RELEASE),
        (&[&ISO, &SATELLITE], ("rhsm_activation_key", ""), NO_KEY),
        (&[&ISO, &SATELLITE], ("rhsm_org_id", ""), NO_KEY),
    ];
    for (all, change, message) in rows {
        assert_eq!(refused(hypervisor, red, all, change), message, "{change:?}");
    }
    if hypervisor != "cloudstack" {
        assert_eq!(refused(hypervisor, "--os ubuntu", &[&ISO], ("rhsm_server_hostname", "sat")), NOT_RED);
        assert_eq!(refused(hypervisor, "--os ubuntu", &[&ISO], ("iso_checksum_type", "")), NO_TYPE);
    }
}

#[test]
fn a_prism_central_has_no_medium_but_a_subscription() {
    let red = "--os redhat --os-version 9";
    for (change, message) in [
        (("rhel_password", ""), BOTH),
        (
            ("nutanix_username", ""),
            "\"nutanix_username\" and \"nutanix_password\" are required fields in nutanix-config",
        ),
        (
            ("nutanix_password", ""),
            "\"nutanix_username\" and \"nutanix_password\" are required fields in nutanix-config",
        ),
        (("image_size_gb", "ten"), "invalid image size: `ten` is no whole number"),
        (("image_size_gb", "-1"), "image size must be a positive integer"),
    ] {
        assert_eq!(refused("nutanix", red, &[&NUTANIX, &LOGIN], change), message);
    }
    // The original does not look.
    assert_eq!(refused("nutanix", red, &[&NUTANIX, &SATELLITE], ("rhsm_org_id", "")), NO_KEY);
    assert_eq!(refused("nutanix", "--os ubuntu", &[&NUTANIX], ("rhsm_server_hostname", "sat")), NOT_RED);
}

#[test_case("vsphere", &ISO, "iso_url"; "vsphere")]
#[test_case("baremetal", &ISO, "iso_url"; "baremetal")]
#[test_case("nutanix", &[IMAGE[0], NUTANIX[0], NUTANIX[1]], "image_url"; "nutanix")]
fn a_build_without_a_network_needs_the_sites_servers(hypervisor: &str, own: &[(&str, &str)], last: &str) {
    let last_message = format!("Please provide {last} when building in air-gapped mode");
    for (key, message) in [
        ("eksa_build_tooling_repo_url", "eksa_build_tooling_repo_url must be set when using air-gapped mode"),
        ("image_builder_repo_url", "image_builder_repo_url must be set when using air-gapped mode"),
        ("extra_repos", "Please set extra_repos to internal os package repo when using air-gapped mode"),
        (
            "private_artifacts_eksd_fqdn",
            "Please set private_artifacts_eksd_fqdn to internal artifacts server's eks-d endpoint",
        ),
        (
            "private_artifacts_eksa_fqdn",
            "Please set private_artifacts_eksa_fqdn to internal artifacts server's eks-a endpoint",
        ),
        (last, last_message.as_str()),
    ] {
        let flags = "--os ubuntu --air-gapped --manifest-tarball";
        assert_eq!(refused(hypervisor, flags, &[&SITE, own], (key, "")), message);
    }
}

#[test]
fn a_build_without_a_network_needs_a_file() {
    let error = check("--os ubuntu --hypervisor baremetal --air-gapped --manifest-tarball").unwrap_err();
    assert_eq!(error.to_string(), "eksa_build_tooling_repo_url must be set when using air-gapped mode");
    assert!(error.hints()[0].contains("--baremetal-config"));
}

#[test]
fn numbers_and_templates_are_checked() {
    let vsphere = |change| refused("vsphere", "--os ubuntu", &[&[("template", "t")]], change);
    assert_eq!(
        vsphere(("vmx_version", "x")),
        "Error parsing vmx_version in vsphere config: `x` is no whole number"
    );
    assert_eq!(
        vsphere(("vmx_version", "14")),
        "vmx_version cannot be less than 15, have 14 in vsphere config"
    );
    let clone = refused("vsphere", "--os ubuntu --builder clone", &[&[("template", "t")]], ("template", ""));
    assert_eq!(clone, "Error: When using vsphere-clone, template cannot be empty");
    let size = refused("baremetal", "--os ubuntu", &[], ("disk_size", "8GiB"));
    assert_eq!(size, "parsing disk_size in baremetal config: `8GiB` is no whole number");
    // A copy needs no medium, also of Red Hat's.
    good(&format!(
        "--os redhat --hypervisor vsphere --builder clone --vsphere-config {}",
        with(&[LOGIN[0], LOGIN[1], ("template", "t")])
    ));
}

#[test_case("ubuntu", "", "baremetal", Firmware::Efi; "ubuntu on metal")]
#[test_case("redhat", "9", "baremetal", Firmware::Efi; "redhat 9 on metal")]
#[test_case("redhat", "8", "baremetal", Firmware::Bios; "redhat 8 on metal")]
#[test_case("ubuntu", "24.04", "vsphere", Firmware::Bios; "ubuntu in a vCenter")]
#[test_case("redhat", "9", "vsphere", Firmware::Bios; "redhat in a vCenter")]
#[test_case("ubuntu", "", "ami", Firmware::Bios; "ami")]
fn firmware_has_a_usual_value(os: &str, version: &str, hypervisor: &str, expected: Firmware) {
    let config = with(&[&ISO[..], &LOGIN[..]].concat());
    let asked = good(&format!(
        "--os {os} --os-version {version} --hypervisor {hypervisor} --{hypervisor}-config {config}"
    ));
    assert_eq!(asked.firmware, expected);
}

#[test]
fn values_are_texts_and_nothing_else() {
    let error = |json: &str| {
        check(&format!("--os ubuntu --hypervisor baremetal --baremetal-config {json}")).unwrap_err()
    };
    let number = error(r#"{"disk_size": 8192}"#);
    assert_eq!(
        number.to_string(),
        "`/here/baremetal.json`: `disk_size` is a number, and all values of this file are texts"
    );
    assert_eq!(number.hints(), ["write `\"disk_size\": \"8192\"`"]);
    // What nobody may see is not repeated.
    let secret = error(r#"{"rhel_password": 12345}"#);
    assert!(!format!("{secret} {:?}", secret.hints()).contains("12345"));
    assert_eq!(error(r#"{"extra_debs": ["a"]}"#).hints(), ["several are separated by blanks in one text"]);
    // null is as good as nothing, and keys that nobody knows may be anything.
    let asked = good(
        r#"--os ubuntu --hypervisor baremetal --baremetal-config {"disk_size": null, "zeta": 1, "iso_ur": {}, "Disk_size": "1"}"#,
    );
    assert_eq!(
        asked.notes,
        [
            "Warning: ignoring unrecognized key(s) in baremetal-config: Disk_size, iso_ur, zeta. These values are dropped and will not be passed to Packer. \
          Did you mean `disk_size`, not `Disk_size`? Did you mean `iso_url`, not `iso_ur`?"
        ]
    );
}

#[test]
fn secrets_are_nowhere_in_what_was_read() {
    let config = with(&[
        ("password", "hunter2-a"),
        ("rhel_password", "hunter2-b"),
        ("rhsm_activation_key", "hunter2-c"),
        ("http_proxy", "http://me:hunter2-d@proxy:3128"),
        ("rhel_username", "u"),
        ("template", "t"),
    ]);
    let asked = good(&format!("--os redhat --hypervisor vsphere --builder clone --vsphere-config {config}"));
    let variables = variables(&asked, &facts(), Path::new("/here"), |_| None).unwrap();
    let all = format!("{asked:?} {variables:?}");
    assert!(!all.contains("hunter2"), "{all}");
    let place = |name: &str| variables.get(name).and_then(|value| value.secret.clone());
    for name in ["password", "rhel_password", "rhsm_activation_key", "http_proxy"] {
        let expected = SecretPlace::Json { file: "/here/vsphere.json".into(), key: name.into() };
        assert_eq!(place(name), Some(expected), "{name}");
    }
    // Host and port are no secrets, and the subscription manager needs them.
    assert_eq!(text(&variables, "rhsm_server_proxy_hostname"), Some("proxy"));
    assert_eq!(text(&variables, "rhsm_server_proxy_port"), Some("3128"));
}

fn facts() -> Facts {
    Facts::for_tests()
}

fn text<'a>(variables: &'a crate::compat::capi::Variables, name: &str) -> Option<&'a str> {
    variables.get(name).map(|value| value.text.as_str())
}

fn all(words: &str, env: &[(&str, &str)]) -> crate::compat::capi::Variables {
    let find = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    variables(&good(words), &facts(), Path::new("/here"), find).unwrap()
}

#[test]
fn the_subscription_manager_gets_the_proxy_unless_its_server_is_named() {
    let proxied = |no_proxy: &str| {
        let keys = [
            &ISO[..],
            &SATELLITE[..],
            &[("http_proxy", "http://p.example.com:3128"), ("no_proxy", no_proxy)],
        ]
        .concat();
        let found =
            all(&format!("--os redhat --hypervisor baremetal --baremetal-config {}", with(&keys)), &[]);
        text(&found, "rhsm_server_proxy_hostname").map(str::to_owned)
    };
    assert_eq!(proxied("").as_deref(), Some("p.example.com"));
    // Literally: a domain does not count.
    assert_eq!(proxied(".example.com").as_deref(), Some("p.example.com"));
    assert_eq!(proxied("a,sat.example.com"), None);
    let keys = [&ISO[..], &LOGIN[..], &[("http_proxy", "http://p.example.com")]].concat();
    let error =
        check(&format!("--os redhat --hypervisor baremetal --baremetal-config {}", with(&keys))).unwrap_err();
    assert!(error.to_string().starts_with("Error parsing proxy host and port for RHSM"), "{error}");
    let ubuntu = all(
        r#"--os ubuntu --hypervisor baremetal --baremetal-config {"http_proxy": "http://p.example.com"}"#,
        &[],
    );
    assert_eq!(text(&ubuntu, "rhsm_server_proxy_hostname"), None);
}

#[test]
fn what_comes_later_wins() {
    let env =
        [("HTTP_PROXY", "http://env:1"), ("NO_PROXY", "a,b"), ("HTTPS_PROXY", "http://me:secret@env:1")];
    let found = all(
        r#"--os ubuntu --hypervisor baremetal --baremetal-config {"http_proxy": "http://file:2", "extra_debs": "tcpdump nfs-common"}"#,
        &env,
    );
    assert_eq!(text(&found, "http_proxy"), Some("http://file:2"));
    assert_eq!(text(&found, "no_proxy"), Some("a,b"));
    assert_eq!(found.get("https_proxy").unwrap().secret, Some(SecretPlace::Env("HTTPS_PROXY".into())));
    // In the original, the user's packages replace those that volumes need.
    assert_eq!(text(&found, "extra_debs"), Some("tcpdump nfs-common xfsprogs"));
    assert_eq!(text(&found, "disk_size"), Some("6656"));
    assert_eq!(
        text(&all("--os ubuntu --hypervisor baremetal", &[]), "extra_debs"),
        Some("nfs-common xfsprogs")
    );
}

#[test]
fn epel_is_the_usual_unless_it_is_said() {
    let epel = |more: &[(&str, &str)]| {
        let keys = [&ISO[..], &LOGIN[..], more].concat();
        let found =
            all(&format!("--os redhat --hypervisor cloudstack --cloudstack-config {}", with(&keys)), &[]);
        assert_eq!(text(&found, "ansible_user_vars"), Some("provider=cloudstack"));
        text(&found, "redhat_epel_rpm").map(str::to_owned)
    };
    assert_eq!(epel(&[]), None);
    assert_eq!(epel(&[("redhat_epel_rpm", "")]).as_deref(), Some(""));
    assert_eq!(
        epel(&[("redhat_epel_rpm", "http://h/epel.rpm"), ("ansible_user_vars", "x=y")]).as_deref(),
        Some("http://h/epel.rpm")
    );
}

#[test_case("22.04", "ubuntu/images/*ubuntu-jammy-22.04-amd64-server-*"; "jammy")]
#[test_case("24.04", "ubuntu/images/*ubuntu-noble-24.04-amd64-server-*"; "noble, which is focal in the original")]
fn an_ami_has_defaults_with_and_without_a_file(version: &str, filter: &str) {
    let flags = format!("--os ubuntu --os-version {version} --hypervisor ami");
    let found = all(&flags, &[]);
    assert_eq!(text(&found, "ami_filter_name"), Some(filter));
    assert_eq!(text(&found, "manifest_output"), Some("/here/manifest.json"));
    assert_eq!(text(&found, "throughput"), None);
    let found =
        all(&format!(r#"{flags} --ami-config {{"volume_type": "gp2", "aws_region": "eu-west-1"}}"#), &[]);
    assert_eq!(
        (text(&found, "aws_region"), text(&found, "ami_regions")),
        (Some("eu-west-1"), Some("us-west-2"))
    );
    assert_eq!(text(&found, "throughput"), Some(""));
}

#[test]
fn nutanix_disks_have_ten_gigabytes_unless_said() {
    let sized = |more: &str| {
        let json = format!(r#"{{"nutanix_username": "u", "nutanix_password": "p"{more}}}"#);
        let found = all(&format!("--os ubuntu --hypervisor nutanix --nutanix-config {json}"), &[]);
        text(&found, "image_size_gb").map(str::to_owned)
    };
    assert_eq!(sized("").as_deref(), Some("10"));
    assert_eq!(sized(r#", "image_size_gb": "20""#).as_deref(), Some("20"));
}

#[test_case("744", "0744"; "a number, whose digits are octal")]
#[test_case("\"0644\"", "0644"; "a text")]
#[test_case("\"644\"", "0644"; "a text without a zero")]
#[test_case("\"04755\"", "4755"; "a set-user bit")]
#[test_case("null", "0644"; "nothing")]
#[test_case("0", "0000"; "none at all")]
fn modes_of_files_are_octal(mode: &str, expected: &str) {
    let json = format!(
        r#"{{"additional_files_list": [{{"src": "a/b", "dest": "/c", "owner": "o", "group": "", "mode": {mode}}}]}}"#
    );
    let asked = good(&format!("--os ubuntu --hypervisor baremetal --files-config {json}"));
    let [file] = &asked.files[..] else { panic!("{:?}", asked.files) };
    assert_eq!((file.src.as_path(), file.dest.as_str()), (Path::new("/here/a/b"), "/c"));
    assert_eq!((file.owner.as_str(), file.group.as_str(), file.mode.as_str()), ("o", "root", expected));
}

#[test_case(r#"{"additional_files_list": {}}"#, "`/here/files.json`: `additional_files_list` is an object, no list"; "no list")]
#[test_case(r#"{"additional_files_list": [1]}"#, "`/here/files.json`: `additional_files_list[0]` is a number, no object"; "no object")]
#[test_case(r#"{"additional_files_list": [{"dest": "/c"}]}"#, "`/here/files.json`: `additional_files_list[0]`: `src` is missing"; "no source")]
#[test_case(r#"{"additional_files_list": [{"src": "a"}]}"#, "`/here/files.json`: `additional_files_list[0]`: `dest` is missing"; "no destination")]
#[test_case(r#"{"additional_files_list": [{"src": "a", "dest": "/c", "mode": 8}]}"#, "`/here/files.json`: `additional_files_list[0]`: `mode` is `8`, which is no mode"; "no octal number")]
#[test_case(r#"{"additional_files_list": [{"src": "a", "dest": "/c", "mode": "u=rwx"}]}"#, "`/here/files.json`: `additional_files_list[0]`: `mode` is `u=rwx`, which is no mode"; "symbols")]
#[test_case(r#"{"additional_files_list": [{"src": "a", "dest": "/c", "mode": 7.5}]}"#, "`/here/files.json`: `additional_files_list[0]`: `mode` is `7.5`, which is no mode"; "a fraction")]
#[test_case("", "Error reading additional files config path: `/here/files.json` is no JSON"; "empty")]
fn wrong_lists_of_files_are_told_with_their_place(json: &str, message: &str) {
    let error = check(&format!("--os ubuntu --hypervisor baremetal --files-config {json}")).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn what_has_no_effect_is_told_once() {
    let asked = good(
        r#"--os ubuntu --hypervisor baremetal --force --dev --ansible-verbosity 3 --vsphere-config {} --baremetal-config {"rhel_username": "u", "private_artifacts_eksd_fqdn": "x", "ssh_handshake_attempts": "9"}"#,
    );
    let starts: Vec<&str> = asked.notes.iter().map(|note| note.split_once(' ').unwrap().0).collect();
    assert_eq!(
        starts,
        [
            "`--vsphere-config",
            "`--ansible-verbosity`",
            "`--force`",
            "`--dev`",
            "private_artifacts_eksd_fqdn",
            "rhel_username",
            "`ssh_handshake_attempts`"
        ]
    );
    let set = |name: &str| (name == "PACKER_HTTP_SERVER_IP").then(|| "10.0.0.1".to_owned());
    assert_eq!(about_environment(set).len(), 1);
}

/// Whatever there is to choose: one target and one name each, and no two the same.
#[test]
fn every_choice_has_a_target_and_a_name() {
    let mut seen = Vec::new();
    for (os, versions) in [("ubuntu", ["22.04", "24.04"]), ("redhat", ["8", "9"])] {
        for version in versions {
            for hypervisor in Hypervisor::ALL {
                for firmware in ["bios", "efi"] {
                    for builder in ["iso", "clone"] {
                        let config =
                            with(&[&ISO[..], &LOGIN[..], &NUTANIX[..], &[("template", "t")]].concat());
                        let words = format!(
                            "--os {os} --os-version {version} --hypervisor {hypervisor} --firmware {firmware} --builder {builder} --{hypervisor}-config {config}"
                        );
                        let Ok(asked) = check(&words) else { continue };
                        let name = target(&asked).unwrap().name().to_owned();
                        seen.push(format!(
                            "{name} {}",
                            output_name(&asked).unwrap_or_else(|| image_name(&asked))
                        ));
                    }
                }
            }
        }
    }
    insta::assert_snapshot!("choices", seen.join("\n"));
    let mut names = seen.clone();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), seen.len());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 256, ..Default::default() })]

    #[test]
    fn files_of_any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80), json in "[{}\\[\\]:,\"a-z0-9_ ]{0,80}") {
        for bytes in [bytes, json.clone().into_bytes(), format!("{{\"additional_files_list\": [{json}]}}").into_bytes()] {
            for hypervisor in Hypervisor::ALL {
                let _ = Config::read(Path::new("/here/x.json"), &bytes, hypervisor);
            }
            let _ = files::read(Path::new("/here/files.json"), &bytes, Path::new("/here"));
        }
    }
}
