//! The way into a guest: keys made for this build, a seed that delivers them, and the first login.
use super::{
    Access, BuildError,
    watch::Watch,
    world::{Session, World},
};
use crate::{
    cx::{BuildId, Cx},
    disk::Needle,
    driver::{
        Boot, Credential, DiskAttachment, DiskFormat, GuestAddresses, InstanceSeed, Machine, MachineSpec,
        Optical,
    },
    guest::{BuildKeys, Credentials, GuestError, HostKey, Login, Proof},
    plan::{LoginProof, Plan, SeedKind},
    provision::Secrets,
    seed::{self, SeedSpec},
    value::Secret,
};
use std::{
    convert::Infallible, io::Write, net::SocketAddr, os::unix::fs::OpenOptionsExt, path::PathBuf,
    time::Duration,
};

/// Keys of one machine and the seed that carries them.
pub(super) struct Keys {
    pairs: BuildKeys,
    kind: SeedKind,
    seed: PathBuf,
    role: String,
    /// cloud-init does its work once for each.
    instance_id: String,
    /// The login that brings them in, if that is how they come.
    own: Option<Credentials>,
}

impl Keys {
    /// The machine of `spec` with the disk that it boots from, and with the seed.
    pub(super) fn machine(&self, spec: MachineSpec, disk: DiskAttachment) -> MachineSpec {
        let path = self.seed.clone();
        let (mut disks, mut credentials) = (vec![disk], Vec::new());
        match self.kind {
            SeedKind::NoCloud => disks.push(DiskAttachment {
                path,
                format: DiskFormat::Raw,
                read_only: true,
                backing: Vec::new(),
            }),
            SeedKind::Credentials => credentials.push(Credential { name: seed::CREDENTIAL.to_owned(), path }),
            SeedKind::Login | SeedKind::UserData | SeedKind::Ignition => {}
        }
        MachineSpec { disks, credentials, ..spec }
    }

    /// The machine of `spec` whose disks stay with its hypervisor, with the seed.
    pub(super) fn instance(&self, spec: MachineSpec, boot: Boot) -> MachineSpec {
        let instance = InstanceSeed {
            user_data: matches!(self.kind, SeedKind::UserData | SeedKind::Ignition)
                .then(|| self.seed.clone()),
            ignition: self.kind == SeedKind::Ignition,
            id: self.instance_id.clone(),
            authorized_key: Some(self.pairs.authorized_key().to_owned()),
        };
        // Its drives hold what a disk of this host would.
        let seed =
            (self.kind == SeedKind::NoCloud).then(|| Optical { path: self.seed.clone(), digest: None });
        let optical = spec.optical.iter().cloned().chain(seed).collect();
        MachineSpec { boot, optical, instance, ..spec }
    }

    /// How we log in.
    pub(super) fn login(&self, plan: &Plan) -> Login {
        self.pairs.login(plan.guest.user.clone())
    }

    /// Byte strings that must not be in a finished image: the private keys, and the line that lets the build user in.
    pub(super) fn needles(&self) -> Vec<Needle> {
        let texts = self.pairs.needles().into_iter().map(|text| text.expose().as_bytes().to_vec());
        texts
            .chain(self.pairs.seeds())
            .map(|bytes| Needle { name: "a key of this build".to_owned(), bytes })
            .collect()
    }
}

/// Makes keys for the machine with this role and writes the seed that delivers them.
pub(super) async fn write_seed(
    cx: &Cx,
    plan: &Plan,
    secrets: &Secrets,
    role: &str,
) -> Result<Keys, BuildError> {
    let because = |error: Box<dyn std::error::Error + Send + Sync>| {
        BuildError::because(format!("could not make the seed of the machine `{role}`"), error)
    };
    let keys = BuildKeys::generate(cx.id().as_str()).map_err(|error| because(error.into()))?;
    for secret in [keys.user_private(), keys.host_private()] {
        cx.redactor().learn(secret);
    }
    let kind = plan.guest.seed;
    let in_a_drive = plan.machine.keeps_its_disks();
    let extension = match kind {
        SeedKind::NoCloud if in_a_drive => "iso",
        SeedKind::NoCloud => "img",
        SeedKind::Credentials => "conf",
        SeedKind::UserData | SeedKind::Ignition => "user-data",
        SeedKind::Login => {
            let (own, seed) = (own_login(cx, plan, secrets).await?, PathBuf::new());
            let instance_id = instance_id(cx.id(), role);
            return Ok(Keys { pairs: keys, kind, seed, role: role.to_owned(), instance_id, own });
        }
    };
    let path = cx.work().join(format!("seed-{role}.{extension}"));
    let (target, user, instance) = (path.clone(), plan.guest.user.clone(), instance_id(cx.id(), role));
    let own = own_user_data(plan, role)
        .await
        .map_err(|error| BuildError::because("the user data of `machine.ec2` cannot be read", error))?;
    let (authorized, private, public) =
        (keys.authorized_key().to_owned(), keys.host_private().clone(), keys.host_public().to_owned());
    tokio::task::spawn_blocking(move || {
        let spec = SeedSpec {
            instance_id: &instance,
            hostname: "goldsmith-build",
            user: &user,
            authorized_key: &authorized,
            host_key_private: &private,
            host_key_public: &public,
        };
        match kind {
            SeedKind::NoCloud if in_a_drive => seed::write_nocloud_iso(&target, &spec),
            SeedKind::NoCloud => seed::write_nocloud(&target, &spec),
            SeedKind::Credentials => seed::write_credential(&target, &spec),
            SeedKind::UserData => seed::write_user_data(&target, &spec, own.as_deref()),
            SeedKind::Ignition => seed::write_ignition(&target, &spec, own.as_deref()),
            SeedKind::Login => Ok(()),
        }
    })
    .await
    .map_err(|error| because(error.into()))?
    .map_err(|error| because(error.into()))?;
    let instance_id = instance_id(cx.id(), role);
    Ok(Keys { pairs: keys, kind, seed: path, role: role.to_owned(), instance_id, own: None })
}

/// The user's own user data. It is for the machine that is built in; a result is proved as it comes.
async fn own_user_data(plan: &Plan, role: &str) -> std::io::Result<Option<Vec<u8>>> {
    match plan.machine.ec2.as_ref().and_then(|ec2| ec2.user_data.as_ref()) {
        Some(path) if role == "build" => tokio::fs::read(path).await.map(Some),
        _ => Ok(None),
    }
}

/// The login that the image has already, if the plan says one, with its secrets.
pub(super) async fn own_login(
    cx: &Cx,
    plan: &Plan,
    secrets: &Secrets,
) -> Result<Option<Credentials>, BuildError> {
    let Some(login) = &plan.guest.login else { return Ok(None) };
    let missing = |error| BuildError::because("a secret of `guest.login` cannot be had", error);
    let mut proofs = Vec::new();
    for proof in &login.proofs {
        proofs.push(match proof {
            LoginProof::Agent => Proof::Agent { socket: None },
            LoginProof::Password { secret } => {
                Proof::Password(secrets.get(cx, secret).await.map_err(missing)?)
            }
            LoginProof::Key { path, passphrase } => Proof::KeyFile {
                path: path.clone(),
                passphrase: match passphrase {
                    Some(name) => Some(secrets.get(cx, name).await.map_err(missing)?),
                    None => None,
                },
            },
        });
    }
    let host_key = HostKey::Pinned(login.host_key.clone());
    Ok(Some(Credentials { user: login.user.clone(), proofs, host_key, bastion: None }))
}

fn instance_id(build: &BuildId, role: &str) -> String {
    format!("goldsmith-{build}-{role}")
}

/// Waits for the guest of `machine` and logs in. `access` says how a person would do so, as soon as that is known: when the
/// wait fails, somebody may still want to try by hand.
pub(super) async fn connect(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    machine: &dyn Machine,
    keys: &Keys,
    watch: &Watch,
    access: &mut Option<Access>,
) -> Result<Box<dyn Session>, BuildError> {
    let address = machine.ssh_address(cx).await?;
    let mut login = keys.login(plan);
    if let Some(own) = &plan.guest.login {
        // That of the image stays.
        login.host_key = own.host_key.clone();
    }
    *access = Some(
        write_access(cx, &login, keys, address)
            .map_err(|error| BuildError::because("could not write the key of the build user", error))?,
    );
    let trouble = || watch.trouble_at_boot().map(|why| cx.redactor().redact(&why));
    let (own, limit) = (keys.own.as_ref(), plan.guest.connect_timeout);
    let connected = tokio::select! {
        connected = world.connect(cx, address, &login, own, limit, &trouble) => connected,
        never = follow(cx, machine) => match never {},
    };
    match connected {
        Err(error) if watch.trouble_at_boot().is_some() => Err(error.hint(
            "`serial-build.log` among the records is all that its console said, `screenshot.png` is its screen",
        )),
        Err(error) if is_silent(&error) => Err(match machine.guest_addresses().await {
            Some(addresses) => error.hint(whereabouts(address, &addresses)),
            None => error,
        }),
        connected => connected,
    }
}

/// Leads the way to the guest's SSH to where the guest is: its own configuration may give it another address than DHCP would.
async fn follow(cx: &Cx, machine: &dyn Machine) -> Infallible {
    /// How often is looked.
    const EVERY: Duration = Duration::from_secs(5);
    let mut told = false;
    loop {
        tokio::time::sleep(EVERY).await;
        match machine.follow_guest().await {
            Ok(Some(guest)) => {
                cx.events().notice(format!("the guest has the address {guest}; its SSH is looked for there"));
            }
            Err(error) if !told => {
                told = true;
                let chain = BuildError::from(error).chain();
                cx.events().warn(chain.join(": "), None);
            }
            Ok(None) | Err(_) => {}
        }
    }
}

/// Whether no SSH server ever spoke.
fn is_silent(error: &BuildError) -> bool {
    let first: Option<&(dyn std::error::Error + 'static)> = Some(error);
    std::iter::successors(first, |error| error.source())
        .any(|error| matches!(error.downcast_ref(), Some(GuestError::Unreachable { silent: true, .. })))
}

/// Where a guest was looked for that did not answer.
fn whereabouts(way: SocketAddr, addresses: &GuestAddresses) -> String {
    let GuestAddresses { leads_to, answers, others } = addresses;
    let there = match (answers, &**others) {
        (true, _) => "; the guest has this address, so its SSH server does not run, or a firewall is before it".to_owned(),
        (false, []) => "; the guest never spoke from any address: it did not get so far, or its network is not configured. \
                        It should use DHCP on its first network card"
            .to_owned(),
        (false, others) => format!(
            ", but the guest speaks from {}: it should use DHCP on its first network card",
            others.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        ),
    };
    format!("{way} leads to {leads_to} in the machine's network{there}")
}

/// Key and known_hosts files for `ssh`, readable by their owner only, in the work folder.
fn write_access(cx: &Cx, login: &Login, keys: &Keys, address: SocketAddr) -> std::io::Result<Access> {
    let file = |name: String, text: &str| {
        let path = cx.work().join(name);
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map(|()| path)
    };
    let key = private_key_text(&login.key);
    Ok(Access {
        address,
        user: login.user.clone(),
        key: file(format!("key-{}", keys.role), &key)?,
        known_hosts: file(
            format!("known_hosts-{}", keys.role),
            &format!("[{}]:{} {}\n", address.ip(), address.port(), login.host_key.trim()),
        )?,
    })
}

/// ssh refuses a key file whose last line has no end.
fn private_key_text(key: &Secret) -> String {
    let mut text = key.expose().trim_end().to_owned();
    text.push('\n');
    text
}
