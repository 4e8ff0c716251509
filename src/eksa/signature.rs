//! Amazon's signatures of manifests: ECDSA on P-256 over SHA-256 of the manifest as JSON, some of its parts left out.
//!
//! Both are annotations of the bundle manifest. What is signed is the JSON that Go makes of the manifest: keys sorted, no blanks, `<`, `>` and
//! `&` escaped. The parts that are left out are those that clusters fill in and those that users may replace; among them are EKS-D's
//! `status`, where its assets are, and HookOS. The release manifest has no signature.
use super::part::Part;
use crate::yaml::{Kind, Node};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Serialize;
use std::collections::BTreeMap;

/// Whether Amazon signed a manifest.
///
/// A bundle's signature covers, of each channel, the addresses and digests below `eksD` (containerd, crictl, etcdadm, image-builder, OVA, raw, AMI, kind's
/// node), the name of the EKS-D release, and the end of support; not the address of EKS-D's manifest, images of other components, and HookOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// It did.
    Valid,
    /// There is a signature of something else: the manifest was changed, for a mirror perhaps.
    Invalid,
    /// There is none: the manifest is older than signatures are (2025), or none of Amazon's.
    Missing,
}

/// Before a channel: the annotation with the signature of its EKS-D manifest.
pub(super) const DISTRO_PREFIX: &str = "distro.eks.amazonaws.com/signature-";
const BUNDLE: &str = "anywhere.eks.amazonaws.com/signature";
const EXCLUDES: &str = "anywhere.eks.amazonaws.com/excludes";

/// The keys with which EKS Anywhere's own command line checks (`pkg/constants`), as SubjectPublicKeyInfo.
const BUNDLE_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFZU/Z6VVMU9HioT7rGkPdJg3frC2xyQZhWFIrz5HeZEfeQ2nAdnJMLrs2Qr3V9xVrJrHA54wnIHDoPGbEhojqg==";
const DISTRO_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfqjUloL1WPdxB5JPOY18mIgjx0zD0SyWe9N1Fxjv7A8JwyKQycqirw2us7zoxoC5bnWD4lT53uv8skx3E/cHaw==";

/// Left out of everything that is signed.
const ALWAYS: [&str; 8] = [
    ".status",
    ".metadata.creationTimestamp",
    ".metadata.annotations",
    ".metadata.generation",
    ".metadata.managedFields",
    ".metadata.uid",
    ".metadata.resourceVersion",
    ".metadata.namespace",
];

/// Left out of bundles, of each channel: what users may replace.
const REPLACEABLE: [&str; 23] = [
    "bootstrap",
    "bottlerocketBootstrapContainers",
    "bottlerocketHostContainers",
    "certManager",
    "cilium",
    "cloudStack",
    "clusterAPI",
    "controlPlane",
    "docker",
    "eksa",
    "eksD.components",
    "eksD.manifestUrl",
    "etcdadmBootstrap",
    "etcdadmController",
    "flux",
    "haproxy",
    "kindnetd",
    "nutanix",
    "packageController",
    "snow",
    "tinkerbell",
    "upgrader",
    "vSphere",
];

pub(super) fn of_bundle(node: &Node, annotations: &Part<'_>) -> Signature {
    let Some(signature) = annotations.get(BUNDLE).text() else { return Signature::Missing };
    if fits(node, &left_out(annotations), signature, BUNDLE_KEY) {
        Signature::Valid
    } else {
        Signature::Invalid
    }
}

pub(super) fn fits_distro(node: &Node, signature: &str) -> bool {
    fits(node, &ALWAYS.map(str::to_owned), signature, DISTRO_KEY)
}

/// What this bundle leaves out. It says so itself, since the list grew once; nothing else than what we know may be left out, for
/// whoever changes a manifest could change that list as well.
fn left_out(annotations: &Part<'_>) -> Vec<String> {
    let known: Vec<String> =
        REPLACEABLE.iter().map(|path| format!(".spec.versionsBundles[].{path}")).collect();
    let said = annotations.get(EXCLUDES).text().and_then(|text| STANDARD.decode(text).ok());
    let said = said.and_then(|bytes| String::from_utf8(bytes).ok());
    let said: Option<Vec<String>> = said.map(|text| text.lines().map(str::to_owned).collect());
    let mut all: Vec<String> = ALWAYS.map(str::to_owned).to_vec();
    all.extend(said.filter(|said| said.iter().all(|path| known.contains(path))).unwrap_or(known));
    all
}

fn fits(node: &Node, left_out: &[String], signature: &str, key: &str) -> bool {
    let (Ok(signature), Ok(key)) = (STANDARD.decode(signature), STANDARD.decode(key)) else { return false };
    // The point is the last part of the key: one byte that says how, and two coordinates.
    let Some(point) = key.len().checked_sub(65).and_then(|start| key.get(start..)) else { return false };
    let mut json = String::new();
    write(node, "", left_out, &mut json);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(json.as_bytes(), &signature).is_ok()
}

/// The JSON that Go makes of it.
fn write(node: &Node, path: &str, left_out: &[String], json: &mut String) {
    match &node.kind {
        Kind::Alias => json.push_str("null"),
        Kind::Scalar { text, plain } => match text.as_str() {
            _ if node.is_null() => json.push_str("null"),
            "true" | "false" if *plain => json.push_str(text),
            _ if *plain && is_number(text) => json.push_str(text),
            _ => quote(text, json),
        },
        Kind::List(items) => {
            json.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write(item, &format!("{path}[]"), left_out, json);
            }
            json.push(']');
        }
        Kind::Map(pairs) => {
            let sorted: BTreeMap<&str, &Node> =
                pairs.iter().filter_map(|(key, value)| Some((key.text()?, value))).collect();
            json.push('{');
            let mut first = true;
            for (key, value) in sorted {
                let path = format!("{path}.{key}");
                if left_out.contains(&path) {
                    continue;
                }
                if !first {
                    json.push(',');
                }
                first = false;
                quote(key, json);
                json.push(':');
                write(value, &path, left_out, json);
            }
            json.push('}');
        }
    }
}

/// Whole numbers as Go writes them; manifests have no others.
fn is_number(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

fn quote(text: &str, json: &mut String) {
    use std::fmt::Write as _;
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::{super::Distro, *};
    use crate::{eksa::Bundle, yaml::parse};

    /// A bundle with nothing but its number and a channel, as EKS Anywhere's own test signs it with Amazon's key.
    const SIGNED: &str = "apiVersion: anywhere.eks.amazonaws.com/v1alpha1
kind: Bundles
metadata:
  annotations:
    anywhere.eks.amazonaws.com/signature: MEYCIQCiWwxw/Nchkgtan47FzagXHgB45Op7YWxvSZjFzHau8wIhALG2kbm+H8HJEfN/rUQ0ldo298MnzyhukBptUm0jCtZZ
  creationTimestamp: null
spec:
  cliMaxVersion: \"\"
  cliMinVersion: \"\"
  number: 1
  versionsBundles:
  - cilium: {version: changed}
    eksD: {ami: {bottlerocket: {}}, containerd: {}, crictl: {}, etcdadm: {}, imagebuilder: {}, kindNode: {},
      manifestUrl: 'https://mirror/', ova: {bottlerocket: {}}, raw: {bottlerocket: {}}}
    kubeVersion: '1.31'
status: {}
";

    #[test]
    fn a_bundle_that_amazon_signed_is_known_and_a_changed_one_too() {
        let signature = |text: &str| Bundle::read(text.as_bytes()).unwrap().signature;
        assert_eq!(signature(SIGNED), Signature::Valid);
        assert_eq!(signature(&SIGNED.replace("changed", "again")), Signature::Valid, "users may replace it");
        assert_eq!(
            signature(&SIGNED.replace("crictl: {}", "crictl: {uri: 'https://x'}")),
            Signature::Invalid
        );
        assert_eq!(signature(&SIGNED.replace("number: 1", "number: 2")), Signature::Invalid);
        assert_eq!(signature(&SIGNED.replace("/signature:", "/other:")), Signature::Missing);
        assert_eq!(signature(&SIGNED.replace("MEYCIQ", "no!")), Signature::Invalid);
    }

    #[test]
    fn a_bundle_cannot_say_itself_that_its_digests_do_not_count() {
        let excludes = |paths: &str| {
            let line = format!("annotations:\n    {EXCLUDES}: {}\n", STANDARD.encode(paths));
            SIGNED.replace("annotations:\n", &line).replace("crictl: {}", "crictl: {name: x}")
        };
        let text = excludes(".spec.versionsBundles[].cilium\n.spec.versionsBundles[].eksD.crictl.name");
        assert_eq!(Bundle::read(text.as_bytes()).unwrap().signature, Signature::Invalid);
    }

    #[test]
    fn a_release_of_eks_d_that_amazon_signed_is_known() {
        const SIGNATURE: &str = "MEUCIQC3uP3Dhfb/nhCeir0Hwtf4bddKVfVIauFWBidT18XZOwIgHjzH1mOxBm1N2l2w9wBVy9W1o6CQXpdDz7UcbCszZYc=";
        let text = "apiVersion: distro.eks.amazonaws.com/v1alpha1\nkind: Release\nmetadata:\n  name: kubernetes-1-28-46\n\
                    spec:\n  channel: 1-28\n  number: 46\nstatus:\n  components: []\n";
        assert!(Distro::read(text.as_bytes()).unwrap().is_signed(SIGNATURE));
        let other = text.replace("number: 46", "number: 47");
        assert!(!Distro::read(other.as_bytes()).unwrap().is_signed(SIGNATURE));
    }

    #[test]
    fn json_is_as_go_writes_it() {
        let node =
            parse("{b: 1, a: [true, null, '1', 01, x<&>\"\u{2028}], c: \"\\u0001\\n\"}").unwrap().unwrap();
        let mut json = String::new();
        write(&node, "", &[], &mut json);
        assert_eq!(json, r#"{"a":[true,null,"1","01","x\u003c\u0026\u003e\"\u2028"],"b":1,"c":"\u0001\n"}"#);
    }
}
