//! `[guest.login]`.
use super::{check, source};
use crate::{
    definition::{
        problem::Span,
        raw::GuestLogin,
        reader::{At, Field, Reader},
        scalar::SecretText,
    },
    plan::{GuestPlan, LoginPlan, LoginProof, SealPlan, SeedKind, VerifyPlan},
};

pub(super) fn login(
    At { value: raw, span: place }: At<GuestLogin>,
    reader: &mut Reader<'_>,
) -> Option<LoginPlan> {
    let user = match raw.user.maybe() {
        Some(None) => Some("root".to_owned()),
        Some(Some(at)) => {
            check::text(at, reader, check::is_account, "cannot be the name of a user", check::ACCOUNT)
        }
        None => None,
    };
    let host_key = raw.host_key.required().and_then(|at| {
        let help = "write the line that is in the image's `/etc/ssh/ssh_host_ed25519_key.pub`";
        check::text(at, reader, is_host_key, "is no public host key", help)
    });
    let mut proofs = Vec::new();
    let passphrase_span = raw.passphrase.span().cloned();
    let passphrase = secret(raw.passphrase, "passphrase", reader);
    let key = raw.key.maybe().and_then(|at| match at {
        None => Some(None),
        Some(at) => source::local_file(at, reader).map(Some),
    });
    match (key.clone().flatten(), passphrase_span) {
        (Some(path), _) => {
            proofs.push(LoginProof::Key { path, passphrase: passphrase.clone().flatten() });
        }
        (None, Some(span)) if key.is_some() => {
            reader.report(&span, "`passphrase` is that of a `key`, and there is none");
            return None;
        }
        (None, _) => {}
    }
    let agent = raw.agent.or(false);
    if agent == Some(true) {
        proofs.push(LoginProof::Agent);
    }
    let password = secret(raw.password, "password", reader);
    proofs.extend(password.clone().flatten().map(|secret| LoginProof::Password { secret }));
    key?;
    passphrase?;
    agent?;
    password?;
    check::holds(&place, !proofs.is_empty(), reader, || {
        "`[guest.login]` needs at least one of `key`, `agent = true` and `password`".to_owned()
    })?;
    Some(LoginPlan { user: user?, host_key: host_key?, proofs })
}

/// A line of a public key: its kind and its body.
fn is_host_key(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let kind = words.next().is_some_and(|kind| kind.starts_with("ssh-") || kind.starts_with("ecdsa-"));
    check::is_line(line) && kind && words.next().is_some_and(|body| body.starts_with("AAAA"))
}

/// The name of the secret that `field` is. Anything else would stand in the definition for everybody to read.
#[allow(clippy::option_option, reason = "as of `Field::maybe`")]
fn secret(field: Field<SecretText>, key: &str, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(At { value: SecretText(text), span }) = field.maybe()? else { return Some(None) };
    let name = text.strip_prefix("${secret.").and_then(|rest| rest.strip_suffix('}'));
    match name.filter(|name| !name.contains(['$', '}'])) {
        Some(name) => Some(Some(name.to_owned())),
        None => {
            reader.report(&span, format!("`{key}` is a secret, which does not stand in a definition")).help(
                format!(
                    "write `{key} = \"${{secret.NAME}}\"` and say in `[secret.NAME]` where it comes from"
                ),
            );
            None
        }
    }
}

/// The proof logs in to an image that has the host key of its login.
pub(super) fn recognisable(
    place: &Span,
    guest: &GuestPlan,
    seal: &SealPlan,
    verify: &VerifyPlan,
    reader: &mut Reader<'_>,
) -> Option<()> {
    if guest.seed == SeedKind::Login && seal.sysprep && verify.boot {
        reader
            .report(place, "the proof would not recognise the image: the seal removes the host keys")
            .help("set `verify.boot = false`, or keep them with `seal.sysprep = false`");
        return None;
    }
    Some(())
}
