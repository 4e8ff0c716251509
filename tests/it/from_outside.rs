//! Logins that an image has, and folders that come from this host: right and wrong.
use goldsmith::{
    definition::{DefinitionError, Inputs, resolve},
    plan::{LoginPlan, LoginProof, Plan, SeedKind},
    value::Arch,
};
use std::path::Path;
use test_case::test_case;

fn resolved(text: &str) -> Result<Plan, DefinitionError> {
    let rest = "\n[source.bootstrap]\nsuite = \"bookworm\"\n[[output]]\nformat = \"qcow2\"\n";
    let inputs = Inputs { host_arch: Some(Arch::X86_64), ..Inputs::default() };
    resolve(&format!("name = \"image\"\n{text}{rest}"), Path::new("/images/image.toml"), &inputs)
}

#[test]
fn a_login_that_the_image_has_names_its_secrets_and_holds_none() {
    let plan = resolved(
        "[secret.pw]\nenv = \"PW\"\n[seal]\nsysprep = false\n[guest.login]\nuser = \"admin\"\n\
         host-key = \"ssh-ed25519 AAAAC3Nz image\"\nkey = \"id\"\npassphrase = \"${secret.pw}\"\nagent = true\n\
         password = \"${secret.pw}\"\n",
    )
    .unwrap();
    assert_eq!((plan.guest.seed, plan.guest.user.as_str()), (SeedKind::Login, "root"));
    let pw = || "pw".to_owned();
    let login = LoginPlan {
        user: "admin".into(),
        host_key: "ssh-ed25519 AAAAC3Nz image".into(),
        proofs: vec![
            LoginProof::Key { path: "/images/id".into(), passphrase: Some(pw()) },
            LoginProof::Agent,
            LoginProof::Password { secret: pw() },
        ],
    };
    assert_eq!(plan.guest.login, Some(login));
}

#[test_case(
    "[[provision]]\ndirectory = { path = \"/\", source = \"etc\", delete = true }",
    "the root folder can be neither removed nor emptied";
    "deleting beside a source in the root"
)]
#[test_case(
    "[[provision]]\ndirectory = { path = \"/srv\", source = \"etc\", empty = true }",
    "a folder with a `source` is not `empty`"
)]
#[test_case(
    "[[provision]]\ndirectory = { path = \"/srv\", delete = true }",
    "`delete` is about what `source` brings, but there is none"
)]
#[test_case(
    "[verify]\nboot = false\n[guest.login]\nhost-key = \"ssh-ed25519 AAAA\"",
    "`[guest.login]` needs at least one of `key`, `agent = true` and `password`"
)]
#[test_case(
    "[verify]\nboot = false\n[guest.login]\nhost-key = \"ssh-ed25519 AAAA\"\npassword = \"hunter2\"",
    "`password` is a secret, which does not stand in a definition"
)]
#[test_case(
    "[guest.login]\nhost-key = \"ssh-ed25519 AAAA\"\nagent = true",
    "the proof would not recognise the image: the seal removes the host keys"
)]
#[test_case(
    "[guest]\nseed = \"nocloud\"\nlogin = { host-key = \"ssh-ed25519 AAAA\", agent = true }",
    "`[guest.login]` and `seed = \"login\"` belong together"
)]
#[test_case(
    "[guest]\nuser = \"ann\"\nlogin = { host-key = \"ssh-ed25519 AAAA\", agent = true }",
    "a `[guest.login]` lets the build in as `root`; who it is itself, its own `user` says"
)]
#[test_case(
    "[verify]\nboot = false\n[guest.login]\nhost-key = \"AAAA\"\nagent = true",
    "`AAAA` is no public host key"
)]
fn what_cannot_be_is_refused(text: &str, message: &str) {
    let error = resolved(text).unwrap_err();
    let all: Vec<_> = error.problems().iter().map(|problem| problem.message().to_owned()).collect();
    assert_eq!(all, [message]);
}
