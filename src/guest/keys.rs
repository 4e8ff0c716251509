//! The two key pairs of one build: the one that logs in, and the one by which the guest is recognised.
//!
//! Both are made fresh for every build and must be gone from the finished image; [`BuildKeys::needles`] is what to look for.
use super::Login;
use crate::value::Secret;
use rand::TryRngCore;
use russh::keys::{
    PrivateKey,
    ssh_key::{
        LineEnding,
        private::{Ed25519Keypair, KeypairData},
    },
};

/// The keys of one build: ed25519, OpenSSH formats.
#[derive(Debug)]
pub struct BuildKeys {
    user: KeyPair,
    host: KeyPair,
}

#[derive(Debug)]
struct KeyPair {
    seed: Secret,
    private: Secret,
    public: String,
}

/// No keys could be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system gave no randomness.
    #[error("could not get random bytes for a key")]
    Random(#[source] rand::rand_core::OsError),
    /// The key could not be written in OpenSSH's format.
    #[error("could not write a key in the OpenSSH format")]
    Encode(#[source] russh::keys::ssh_key::Error),
}

impl BuildKeys {
    /// Makes both pairs from the operating system's randomness. `build` goes into the comments, so that a person who
    /// finds one knows where it came from.
    pub fn generate(build: &str) -> Result<Self, KeyError> {
        Ok(Self {
            user: KeyPair::generate(&format!("goldsmith-build-{build}"))?,
            host: KeyPair::generate(&format!("goldsmith-guest-{build}"))?,
        })
    }

    /// The line for `authorized_keys`.
    pub fn authorized_key(&self) -> &str {
        &self.user.public
    }

    /// The private key that logs in, as PEM text.
    pub fn user_private(&self) -> &Secret {
        &self.user.private
    }

    /// The guest's private host key, as PEM text.
    pub fn host_private(&self) -> &Secret {
        &self.host.private
    }

    /// The guest's public host key, as in `ssh_host_ed25519_key.pub`.
    pub fn host_public(&self) -> &str {
        &self.host.public
    }

    /// How to log in as `user` of a guest that took these keys.
    pub fn login(&self, user: impl Into<String>) -> Login {
        Login {
            user: user.into(),
            key: self.user.private.clone(),
            authorized_key: self.user.public.clone(),
            host_key: self.host.public.clone(),
        }
    }

    /// Byte strings that must not be in the finished image: what identifies the private keys, in text and in binary, and
    /// the public key that may log in. Each is long enough not to be there by chance.
    pub fn needles(&self) -> Vec<Secret> {
        let mut needles = Vec::new();
        for pair in [&self.user, &self.host] {
            // The first two lines of the PEM body are the format's header and the public half. Check numbers, the secret
            // itself and the comment follow; each whole line is one needle.
            needles.extend(
                pair.private
                    .expose()
                    .lines()
                    .filter(|line| !line.starts_with("-----"))
                    .skip(2)
                    .filter(|line| line.len() >= 40)
                    .map(Secret::new),
            );
        }
        // The base64 body alone: a comment or options around it do not matter.
        needles.extend(self.user.public.split_whitespace().nth(1).map(Secret::new));
        needles
    }

    /// The raw 32-byte seeds of both private keys, as they would be in a binary dump.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        [&self.user, &self.host].into_iter().filter_map(|pair| hex::decode(pair.seed.expose()).ok()).collect()
    }
}

impl KeyPair {
    fn generate(comment: &str) -> Result<Self, KeyError> {
        let mut seed = [0u8; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut seed).map_err(KeyError::Random)?;
        Self::from_seed(&seed, comment)
    }

    fn from_seed(seed: &[u8; 32], comment: &str) -> Result<Self, KeyError> {
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(seed));
        let key = PrivateKey::new(pair, comment).map_err(KeyError::Encode)?;
        let private = key.to_openssh(LineEnding::LF).map_err(KeyError::Encode)?;
        let public = key.public_key().to_openssh().map_err(KeyError::Encode)?;
        Ok(Self { seed: Secret::new(hex::encode(seed)), private: Secret::new(private.as_str()), public })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn openssh_reads_our_keys_and_finds_the_same_public_half() {
        let keys = BuildKeys::generate("0123456789ab").unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (private, public) in
            [(keys.user_private(), keys.authorized_key()), (keys.host_private(), keys.host_public())]
        {
            let path = folder.path().join("key");
            std::fs::write(&path, private.expose()).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, mode).unwrap();
            let out = Command::new("ssh-keygen").arg("-y").arg("-f").arg(&path).output().unwrap();
            assert!(out.status.success(), "{out:?}");
            assert_eq!(String::from_utf8(out.stdout).unwrap().trim(), public);
        }
    }

    #[test]
    fn every_build_has_its_own_keys() {
        let (one, two) = (BuildKeys::generate("a").unwrap(), BuildKeys::generate("a").unwrap());
        assert_ne!(one.authorized_key(), two.authorized_key());
        assert_ne!(one.host_public(), two.host_public());
        assert_ne!(one.authorized_key(), one.host_public());
    }

    #[test]
    fn needles_are_in_the_keys_and_differ_between_builds() {
        let (one, two) = (BuildKeys::generate("a").unwrap(), BuildKeys::generate("a").unwrap());
        let texts = [one.user_private().expose(), one.host_private().expose(), one.authorized_key()].concat();
        let others =
            [two.user_private().expose(), two.host_private().expose(), two.authorized_key()].concat();
        let needles = one.needles();
        assert!(needles.len() >= 5, "{} needles", needles.len());
        for needle in &needles {
            assert!(needle.expose().len() >= 40);
            assert!(texts.contains(needle.expose()));
            assert!(!others.contains(needle.expose()), "a needle is common to all keys");
        }
        assert_eq!(one.seeds().len(), 2);
        assert!(one.seeds().iter().all(|seed| seed.len() == 32));
    }

    #[test]
    fn the_private_seed_is_inside_the_lines_that_are_needles() {
        use base64::Engine;
        let keys = BuildKeys::generate("a").unwrap();
        let body: String =
            keys.user_private().expose().lines().filter(|line| !line.starts_with("-----")).collect();
        let raw = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
        let seed = &keys.seeds()[0];
        let at = raw.windows(32).position(|window| window == &seed[..]).unwrap();
        // 70 characters a line carry 52.5 bytes; the needles start with the third line.
        assert!(at >= 105, "the seed starts at byte {at}");
    }
}
