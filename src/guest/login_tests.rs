//! Ways to log in, against a real OpenSSH server and a real agent.
use super::{sshd::Sshd, tests::NO_TROUBLE, *};
use crate::{
    cx::{Cx, tests_support::cx},
    value::HumanDuration,
};
use std::process::{Child, Command as Process, Stdio};
use test_case::test_case;

fn credentials(sshd: &Sshd, proofs: Vec<Proof>) -> Credentials {
    Credentials {
        user: super::sshd::me(),
        proofs,
        host_key: HostKey::Pinned(sshd.keys.host_public().to_owned()),
        bastion: None,
    }
}

async fn whoami(cx: &Cx, sshd: &Sshd, credentials: &Credentials) -> Result<String, GuestError> {
    let guest = connect_with(cx, sshd.addr, credentials, HumanDuration::seconds(5), NO_TROUBLE).await?;
    Ok(capture(&guest, cx, &Command::script("test", "id -un")).await?.ok("test")?)
}

fn seen(error: &GuestError) -> String {
    let GuestError::Unreachable { source, .. } = error else { panic!("{error:?}") };
    source.to_string()
}

fn keygen(sshd: &Sshd, name: &str, kind: &str, passphrase: &str) -> std::path::PathBuf {
    let path = sshd.path(name);
    let made = Process::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-f"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    path
}

fn public(path: &std::path::Path) -> String {
    std::fs::read_to_string(path.with_extension("pub")).unwrap()
}

#[tokio::test]
async fn a_key_file_logs_in_and_its_passphrase_is_needed() {
    let (sshd, cx) = (Sshd::start(), cx());
    for kind in ["ed25519", "ecdsa"] {
        let path = keygen(&sshd, kind, kind, "it's secret");
        sshd.authorize(&public(&path));
        let with = |passphrase: Option<&str>| {
            let passphrase = passphrase.map(Secret::new);
            credentials(&sshd, vec![Proof::KeyFile { path: path.clone(), passphrase }])
        };
        assert_eq!(whoami(&cx, &sshd, &with(Some("it's secret"))).await.unwrap(), super::sshd::me());
        let none = whoami(&cx, &sshd, &with(None)).await.unwrap_err();
        assert!(matches!(none, GuestError::Login(LoginError::Locked { .. })), "{none:?}");
        let wrong = whoami(&cx, &sshd, &with(Some("wrong"))).await.unwrap_err();
        assert!(matches!(wrong, GuestError::Login(LoginError::Key { .. })), "{wrong:?}");
    }
    // ssh-keygen writes OpenSSH's format, encrypted or not, and what OpenSSL calls PEM and PKCS#8.
    for (format, passphrase) in [("RFC4716", ""), ("RFC4716", "it's secret"), ("PEM", ""), ("PKCS8", "")] {
        let path = sshd.path(&format!("rsa-{format}-{}", passphrase.len()));
        let made = Process::new("ssh-keygen")
            .args(["-q", "-t", "rsa", "-b", "2048", "-m", format, "-N", passphrase, "-f"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        let proof = Proof::KeyFile { path, passphrase: None };
        let rsa = whoami(&cx, &sshd, &credentials(&sshd, vec![proof])).await.unwrap_err();
        let GuestError::Login(error @ LoginError::Rsa { .. }) = &rsa else { panic!("{format}: {rsa:?}") };
        assert!(error.to_string().contains("ssh-keygen -t ed25519"), "{error}");
    }
    let missing = Proof::KeyFile { path: sshd.path("missing"), passphrase: None };
    let missing = whoami(&cx, &sshd, &credentials(&sshd, vec![missing])).await.unwrap_err();
    assert!(matches!(missing, GuestError::Login(LoginError::File { .. })), "{missing:?}");
}

struct Agent(Child);

impl Agent {
    fn start(socket: &std::path::Path) -> Self {
        let child =
            Process::new("ssh-agent").arg("-D").arg("-a").arg(socket).stdout(Stdio::null()).spawn().unwrap();
        while !socket.exists() {
            std::thread::yield_now();
        }
        Self(child)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

#[tokio::test]
async fn an_agent_signs_with_whichever_key_fits() {
    let (sshd, cx) = (Sshd::start(), cx());
    let socket = sshd.path("agent");
    let by_agent = credentials(&sshd, vec![Proof::Agent { socket: Some(socket.clone()) }]);
    let nobody = whoami(&cx, &sshd, &by_agent).await.unwrap_err();
    assert!(seen(&nobody).contains("the SSH agent at"), "{}", seen(&nobody));
    let _agent = Agent::start(&socket);
    let empty = whoami(&cx, &sshd, &by_agent).await.unwrap_err();
    assert!(seen(&empty).contains("it holds no key"), "{}", seen(&empty));
    for name in ["other", "right"] {
        let path = keygen(&sshd, name, "ed25519", "");
        let added =
            Process::new("ssh-add").arg("-q").arg(&path).env("SSH_AUTH_SOCK", &socket).status().unwrap();
        assert!(added.success());
        sshd.authorize(&public(&path));
    }
    assert_eq!(whoami(&cx, &sshd, &by_agent).await.unwrap(), super::sshd::me());
}

#[tokio::test]
async fn a_jump_host_leads_on_and_is_recognised_itself() {
    let (sshd, bastion, cx) = (Sshd::start(), Sshd::start(), cx());
    let key = |sshd: &Sshd| Proof::Key { pem: sshd.keys.user_private().clone(), passphrase: None };
    // Reads the bastion's host key from a file, as users have it.
    let known = bastion.path("known_hosts");
    let line = |sshd: &Sshd| format!("[127.0.0.1]:{} {}\n", bastion.addr.port(), sshd.keys.host_public());
    std::fs::write(&known, line(&bastion)).unwrap();
    let mut through = credentials(&sshd, vec![key(&sshd)]);
    through.bastion = Some(Box::new(Bastion {
        host: "127.0.0.1".into(),
        port: bastion.addr.port(),
        credentials: Credentials {
            host_key: HostKey::KnownHosts(known.clone()),
            ..credentials(&bastion, vec![key(&bastion)])
        },
    }));
    let guest = connect_with(&cx, sshd.addr, &through, HumanDuration::seconds(5), NO_TROUBLE).await.unwrap();
    let from = capture(&guest, &cx, &Command::script("test", "ps -o ppid= -p $PPID")).await.unwrap();
    assert!(from.exit.success());
    assert!(sshd.log().contains("Accepted publickey") && bastion.log().contains("Accepted publickey"));
    // Large enough for every window on the way.
    let bytes = vec![7; 10 << 20];
    let target = Target::new(sshd.path("large").to_str().unwrap(), 0o600);
    guest.upload(&cx, Content::Bytes(&bytes), &target).await.unwrap();
    assert!(std::fs::read(sshd.path("large")).unwrap() == bytes);

    std::fs::write(&known, line(&sshd)).unwrap();
    let stranger = whoami(&cx, &sshd, &through).await.unwrap_err();
    assert!(
        seen(&stranger).contains("jump host 127.0.0.1 ✗ (") && seen(&stranger).contains("not ours: SHA256:"),
        "{}",
        seen(&stranger)
    );
    std::fs::remove_file(&known).unwrap();
    assert!(seen(&whoami(&cx, &sshd, &through).await.unwrap_err()).contains("not ours: SHA256:"));
    std::fs::write(&known, line(&bastion)).unwrap();
    bastion.authorize("");
    let refused = whoami(&cx, &sshd, &through).await.unwrap_err();
    assert!(seen(&refused).contains("login ✗ (key refused"), "{}", seen(&refused));
    assert!(refused.hint().unwrap().contains("jump host"));
}

#[test_case(false; "at once")]
#[test_case(true; "by questions")]
#[tokio::test]
async fn a_password_logs_in(questions: bool) {
    if !nix::unistd::getuid().is_root() {
        return;
    }
    let cx = cx();
    let sshd = Sshd::start_with_password("it's $ecret", questions);
    let with = |password: &str| credentials(&sshd, vec![Proof::Password(Secret::new(password))]);
    assert_eq!(whoami(&cx, &sshd, &with("it's $ecret")).await.unwrap(), super::sshd::me());
    let wrong = whoami(&cx, &sshd, &with("wrong")).await.unwrap_err();
    assert!(seen(&wrong).contains("refused for `root`"), "{}", seen(&wrong));
}

#[tokio::test]
async fn a_password_that_nobody_takes_is_named() {
    let (sshd, cx) = (Sshd::start(), cx());
    let error =
        whoami(&cx, &sshd, &credentials(&sshd, vec![Proof::Password(Secret::new("x"))])).await.unwrap_err();
    let expected = format!("login refused for `{}`; offers publickey", super::sshd::me());
    assert!(seen(&error).contains(&expected), "{}", seen(&error));
    let both = vec![
        Proof::Password(Secret::new("x")),
        Proof::Key { pem: sshd.keys.user_private().clone(), passphrase: None },
    ];
    assert_eq!(whoami(&cx, &sshd, &credentials(&sshd, both)).await.unwrap(), super::sshd::me());
}

#[tokio::test]
async fn an_image_with_a_login_takes_the_builds_key_and_keeps_its_host_key() {
    let (sshd, cx) = (Sshd::start(), cx());
    let home = sshd.path("home");
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    let keys = home.join(".ssh/authorized_keys");
    // A last line without an end.
    std::fs::write(&keys, sshd.keys.authorized_key().trim_end()).unwrap();
    let config = std::fs::read_to_string(sshd.path("config")).unwrap();
    let mut sshd = sshd;
    sshd.crash();
    let old = format!("AuthorizedKeysFile {}", sshd.path("authorized_keys").display());
    assert!(config.contains(&old), "{config}");
    let config = config.replace(&old, &format!("AuthorizedKeysFile {}", keys.display()));
    std::fs::write(sshd.path("config"), config).unwrap();
    sshd.run();
    let own =
        credentials(&sshd, vec![Proof::Key { pem: sshd.keys.user_private().clone(), passphrase: None }]);
    own.check("x").unwrap();
    let build = BuildKeys::generate("build").unwrap().login(super::sshd::me());
    let limit = HumanDuration::seconds(5);
    let home = home.to_str().unwrap();
    let guest =
        super::adopt::into_home(&cx, sshd.addr, &own, &build, Some(home), limit, NO_TROUBLE).await.unwrap();
    assert_eq!(guest.login().authorized_key, build.authorized_key);
    assert_eq!(guest.login().host_key, sshd.keys.host_public());
    capture(&guest, &cx, &Command::script("test", "true")).await.unwrap().ok("test").unwrap();
    let lines = std::fs::read_to_string(keys).unwrap();
    assert_eq!(
        lines,
        format!("{}\n{}\n", sshd.keys.authorized_key().trim_end(), build.authorized_key.trim())
    );
    let stranger = Credentials { host_key: HostKey::Pinned(build.host_key.clone()), ..own };
    let error = super::adopt::into_home(&cx, sshd.addr, &stranger, &build, Some(home), limit, NO_TROUBLE)
        .await
        .unwrap_err();
    assert!(error.hint().unwrap().contains("another host key than `guest.login` says"), "{error:?}");
}
