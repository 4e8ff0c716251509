//! Proofs of identity in the SSH library's form: ours to the server, and the server's to us.
use super::{
    lead::{self, Lead},
    login::{Bastion, Credentials, HostKey, LoginError, Proof},
    ssh::Denied,
};
use crate::value::Secret;
use russh::{
    Channel, MethodKind, MethodSet,
    client::{self, AuthResult, KeyboardInteractiveAuthResponse as Interactive},
    keys::{
        Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate,
        agent::{AgentIdentity, client::AgentClient},
        decode_secret_key,
        known_hosts::{check_known_hosts_path, known_host_keys_path},
    },
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Servers end the connection after some refusals, six by default.
const MOST_KEYS: usize = 5;
/// An interactive dialogue of more rounds asks for more than a password.
const MOST_ROUNDS: usize = 5;

/// Who we are, and whom we trust, for one server.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) user: String,
    proofs: Vec<Ready>,
    trust: Trust,
    pub(super) bastion: Option<Box<Hop>>,
}

/// A server on the way.
#[derive(Clone)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) identity: Identity,
}

/// A proof that is ready to use.
#[derive(Clone)]
enum Ready {
    Key(Arc<PrivateKey>),
    Agent(PathBuf),
    Password(Secret),
}

#[derive(Clone)]
enum Trust {
    Pinned(Box<PublicKey>),
    KnownHosts(PathBuf),
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads what `credentials` for `host` name.
    pub(super) fn load(host: &str, credentials: &Credentials) -> Result<Self, LoginError> {
        let trust = match &credentials.host_key {
            HostKey::Pinned(line) => Trust::Pinned(Box::new(
                PublicKey::from_openssh(line)
                    .map_err(|error| LoginError::HostKey { host: host.to_owned(), source: error.into() })?,
            )),
            HostKey::KnownHosts(path) => Trust::KnownHosts(path.clone()),
        };
        let proofs = credentials.proofs.iter().map(Ready::load).collect::<Result<_, _>>()?;
        let bastion = match credentials.bastion.as_deref() {
            None => None,
            Some(Bastion { host, port, credentials }) => {
                let identity = Self::load(host, credentials)?;
                Some(Box::new(Hop { host: host.clone(), port: *port, identity }))
            }
        };
        Ok(Self { user: credentials.user.clone(), proofs, trust, bastion })
    }

    /// Kinds of host keys to ask for, so that the server shows the one that we can compare.
    pub(super) fn algorithms(&self, host: &str, port: u16) -> Vec<Algorithm> {
        match &self.trust {
            Trust::Pinned(key) => vec![key.algorithm()],
            Trust::KnownHosts(path) => {
                let known = known_host_keys_path(host, port, path).unwrap_or_default();
                known.into_iter().map(|(_, key)| key.algorithm()).collect()
            }
        }
    }

    /// Proves to the other side of `handle` that we are its user.
    pub(super) async fn prove(&self, handle: &mut client::Handle<Gatekeeper>) -> Result<(), Denied> {
        let mut refused = Vec::new();
        let mut offers: Option<MethodSet> = None;
        for proof in &self.proofs {
            let broken = |error: &dyn fmt::Display| Denied::Login(error.to_string());
            match proof.show(handle, &self.user).await {
                Ok(Answer::Welcome) => return Ok(()),
                Ok(Answer::More(methods)) => offers = Some(methods),
                Ok(Answer::No(methods)) => {
                    refused.push(if methods.contains(&proof.method()) { proof.name() } else { "login" });
                    offers = Some(methods);
                }
                Err(Trouble::Here(why)) => return Err(Denied::Login(why)),
                Err(Trouble::There(error)) => return Err(broken(&error)),
            }
        }
        let offers = offers.map(|methods| methods.iter().map(<&str>::from).collect::<Vec<_>>().join(", "));
        Err(Denied::Login(format!(
            "{} refused for `{}`; offers {}",
            if refused.is_empty() { "login".to_owned() } else { refused.join(" and ") },
            self.user,
            offers.unwrap_or_else(|| "nothing that was tried".to_owned())
        )))
    }
}

impl Credentials {
    /// Whether all that they name can be had: files, passphrases, an agent, the host key.
    pub fn check(&self, host: &str) -> Result<(), LoginError> {
        Identity::load(host, self).map(drop)
    }
}

/// What a server says to a proof.
enum Answer {
    Welcome,
    /// It believes it, but wants another one.
    More(MethodSet),
    No(MethodSet),
}

/// Why a proof could not be shown.
enum Trouble {
    Here(String),
    There(russh::Error),
}

impl From<russh::Error> for Trouble {
    fn from(error: russh::Error) -> Self {
        Self::There(error)
    }
}

impl From<AuthResult> for Answer {
    fn from(result: AuthResult) -> Self {
        match result {
            AuthResult::Success => Self::Welcome,
            AuthResult::Failure { remaining_methods, partial_success: true } => Self::More(remaining_methods),
            AuthResult::Failure { remaining_methods, .. } => Self::No(remaining_methods),
        }
    }
}

impl Ready {
    fn load(proof: &Proof) -> Result<Self, LoginError> {
        match proof {
            Proof::Key { pem, passphrase } => key("of this build", pem, passphrase.as_ref()),
            Proof::KeyFile { path, passphrase } => {
                let pem = std::fs::read_to_string(path)
                    .map_err(|source| LoginError::File { path: path.clone(), source })?;
                key(&format!("`{}`", path.display()), &Secret::new(pem), passphrase.as_ref())
            }
            Proof::Agent { socket: Some(socket) } => Ok(Self::Agent(socket.clone())),
            Proof::Agent { socket: None } => match std::env::var_os("SSH_AUTH_SOCK") {
                Some(socket) if !socket.is_empty() => Ok(Self::Agent(socket.into())),
                _ => Err(LoginError::NoAgent),
            },
            Proof::Password(password) => Ok(Self::Password(password.clone())),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Agent(_) => "keys of the agent",
            Self::Password(_) => "password",
        }
    }

    fn method(&self) -> MethodKind {
        match self {
            Self::Key(_) | Self::Agent(_) => MethodKind::PublicKey,
            Self::Password(_) => MethodKind::Password,
        }
    }

    async fn show(&self, handle: &mut client::Handle<Gatekeeper>, user: &str) -> Result<Answer, Trouble> {
        match self {
            Self::Key(key) => {
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
                Ok(handle.authenticate_publickey(user, key).await?.into())
            }
            Self::Agent(socket) => show_agent(socket, handle, user).await,
            Self::Password(password) => match handle.authenticate_password(user, password.expose()).await? {
                AuthResult::Failure { remaining_methods, partial_success: false }
                    if remaining_methods.contains(&MethodKind::KeyboardInteractive) =>
                {
                    interact(handle, user, password, remaining_methods).await
                }
                result => Ok(result.into()),
            },
        }
    }
}

fn key(name: &str, pem: &Secret, passphrase: Option<&Secret>) -> Result<Ready, LoginError> {
    if is_rsa(pem.expose()) {
        return Err(LoginError::Rsa { name: name.to_owned() });
    }
    match decode_secret_key(pem.expose(), passphrase.map(Secret::expose)) {
        Ok(key) => Ok(Ready::Key(Arc::new(key))),
        Err(russh::keys::Error::KeyIsEncrypted) => Err(LoginError::Locked { name: name.to_owned() }),
        Err(error) => Err(LoginError::Key { name: name.to_owned(), source: error.into() }),
    }
}

/// Whether a private key is RSA. The format of OpenSSH says so also when the key is encrypted, PKCS#8 only when it is not.
fn is_rsa(pem: &str) -> bool {
    use base64::Engine as _;
    /// DER of the object identifier 1.2.840.113549.1.1.1.
    const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    if pem.contains("BEGIN RSA PRIVATE KEY") {
        return true;
    }
    let body: String =
        pem.lines().map(str::trim).filter(|line| !line.starts_with("-----") && !line.contains(':')).collect();
    let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(body) else { return false };
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    if pem.contains("BEGIN OPENSSH PRIVATE KEY") {
        has(b"\x00\x00\x00\x07ssh-rsa")
    } else {
        has(RSA_ENCRYPTION)
    }
}

async fn show_agent(
    socket: &Path,
    handle: &mut client::Handle<Gatekeeper>,
    user: &str,
) -> Result<Answer, Trouble> {
    let here = |error: &dyn fmt::Display| {
        Trouble::Here(format!("the SSH agent at {} does not help: {error}", socket.display()))
    };
    let mut agent = AgentClient::connect_uds(socket).await.map_err(|error| here(&error))?;
    let identities = agent.request_identities().await.map_err(|error| here(&error))?;
    let mut last = None;
    for identity in identities.into_iter().take(MOST_KEYS) {
        let AgentIdentity::PublicKey { key, .. } = identity else { continue };
        let hash = match key.algorithm() {
            Algorithm::Rsa { .. } => Some(HashAlg::Sha512),
            _ => None,
        };
        let result = handle.authenticate_publickey_with(user, key, hash, &mut agent).await;
        match result.map_err(|error| here(&error))? {
            AuthResult::Failure { remaining_methods, partial_success: false } => {
                last = Some(remaining_methods);
            }
            result => return Ok(result.into()),
        }
    }
    last.map(Answer::No).ok_or_else(|| here(&"it holds no key"))
}

/// Answers every question with the password, for that is what servers ask for in this way.
async fn interact(
    handle: &mut client::Handle<Gatekeeper>,
    user: &str,
    password: &Secret,
    offered: MethodSet,
) -> Result<Answer, Trouble> {
    let mut answer = handle.authenticate_keyboard_interactive_start(user, None).await?;
    for _ in 0..MOST_ROUNDS {
        let prompts = match answer {
            Interactive::Success => return Ok(Answer::Welcome),
            Interactive::Failure { remaining_methods, partial_success: true } => {
                return Ok(Answer::More(remaining_methods));
            }
            Interactive::Failure { remaining_methods, .. } => return Ok(Answer::No(remaining_methods)),
            Interactive::InfoRequest { prompts, .. } => prompts,
        };
        let words = prompts.iter().map(|_| password.expose().to_owned()).collect();
        answer = handle.authenticate_keyboard_interactive_respond(words).await?;
    }
    Ok(Answer::No(offered))
}

/// Lets only the server through that is meant, and remembers what any other showed.
pub(super) struct Gatekeeper {
    trust: Trust,
    host: String,
    port: u16,
    shown: Arc<Mutex<Option<String>>>,
    lead: Lead,
}

impl Gatekeeper {
    pub(super) fn new(identity: &Identity, host: &str, port: u16) -> (Self, Shown, Lead) {
        let shown = Arc::new(Mutex::new(None));
        let trust = identity.trust.clone();
        let lead = Lead::default();
        let gatekeeper =
            Self { trust, host: host.to_owned(), port, shown: Arc::clone(&shown), lead: lead.clone() };
        (gatekeeper, Shown(shown), lead)
    }
}

/// What a stranger showed.
pub(super) struct Shown(Arc<Mutex<Option<String>>>);

impl Shown {
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl client::Handler for Gatekeeper {
    type Error = russh::Error;

    async fn check_server_key(&mut self, server: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let shown = match server {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                let known = match &self.trust {
                    Trust::Pinned(expected) => key.key_data() == expected.key_data(),
                    // A file that is missing knows nobody, and a line with another key is no friend.
                    Trust::KnownHosts(path) => {
                        check_known_hosts_path(&self.host, self.port, key, path).unwrap_or(false)
                    }
                };
                if known {
                    return Ok(true);
                }
                key.fingerprint(HashAlg::Sha256).to_string()
            }
            PublicKeyOrCertificate::Certificate(_) => "a certificate".to_owned(),
        };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        Ok(false)
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<client::Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        // A server that hands us what we never asked for is refused, by dropping its question.
        if let Some(to) = self.lead.get() {
            reply.accept().await;
            lead::carry(channel, to);
        }
        Ok(())
    }
}
