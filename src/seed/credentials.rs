//! The seed as a system credential (<https://systemd.io/CREDENTIALS/>).
//!
//! systemd reads credentials from the hypervisor at its very start, so the keys are in place before sshd is, and nothing in
//! the image has to wait for them. Of all that a credential can do, `tmpfiles.extra` (systemd 252) is what fits every
//! distribution: lines of tmpfiles.d(5) that write files. Users cannot be made reliably this way (`sysusers.extra` is
//! skipped when /etc is up to date), so the login is root's.
use super::{SeedError, SeedSpec, write_private};
use crate::value::Secret;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::path::Path;

/// Name of the credential.
pub const CREDENTIAL: &str = "tmpfiles.extra";

/// Writes a new file with the content of the credential [`CREDENTIAL`], readable by its owner only: it holds the guest's
/// private host key. Of `spec`, the host name and the user are not used.
pub fn write_credential(path: &Path, spec: &SeedSpec<'_>) -> Result<(), SeedError> {
    write_private(path, render(spec).expose().as_bytes())
}

fn render(spec: &SeedSpec<'_>) -> Secret {
    let line = |text: &str| STANDARD.encode(format!("{}\n", text.trim_end()));
    // Modes and owners with a colon apply only to what is made here. `~` decodes the content, `w+` appends: keys that are the
    // image's own stay. At every boot it is appended once more, and the seal removes all of them.
    Secret::new(format!(
        "d /root/.ssh :0700 :root :root -\n\
         f /root/.ssh/authorized_keys :0600 :root :root -\n\
         w+~ /root/.ssh/authorized_keys - - - - {key}\n\
         f+~ /etc/ssh/ssh_host_ed25519_key 0600 root root - {private}\n\
         f+~ /etc/ssh/ssh_host_ed25519_key.pub 0644 root root - {public}\n",
        key = line(spec.authorized_key),
        private = line(spec.host_key_private.expose()),
        public = line(spec.host_key_public),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// systemd's own reader makes the files of the lines; it is on every Debian host.
    #[test]
    fn systemd_writes_the_keys_beside_those_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("etc/ssh")).unwrap();
        std::fs::create_dir_all(root.join("root/.ssh")).unwrap();
        std::fs::write(root.join("root/.ssh/authorized_keys"), "ssh-ed25519 CCCC its own\n").unwrap();
        // Owners are the image's; here they are ours, or an ordinary user could not run this.
        std::fs::write(root.join("etc/passwd"), format!("root:x:{}:{}:::\n", id().0, id().1)).unwrap();
        std::fs::write(root.join("etc/group"), format!("root:x:{}:\n", id().1)).unwrap();
        let private =
            Secret::new("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA+/=\n-----END OPENSSH PRIVATE KEY-----\n");
        let spec = SeedSpec {
            instance_id: "goldsmith-0123456789ab",
            hostname: "golden",
            user: "root",
            authorized_key: "ssh-ed25519 AAAA 100% \"mine\"\n",
            host_key_private: &private,
            host_key_public: "ssh-ed25519 BBBB guest",
        };
        let lines = folder.path().join("lines.conf");
        write_credential(&lines, &spec).unwrap();
        let out = Command::new("systemd-tmpfiles")
            .arg(format!("--root={}", root.display()))
            .arg("--create")
            .arg(&lines)
            .output()
            .expect("systemd-tmpfiles, of the package systemd");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let keys = read("root/.ssh/authorized_keys");
        assert_eq!(keys, "ssh-ed25519 CCCC its own\nssh-ed25519 AAAA 100% \"mine\"\n");
        assert_eq!(read("etc/ssh/ssh_host_ed25519_key"), private.expose());
        assert_eq!(read("etc/ssh/ssh_host_ed25519_key.pub"), "ssh-ed25519 BBBB guest\n");
        let mode = |path: &std::path::Path| {
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
        };
        assert_eq!(mode(&root.join("etc/ssh/ssh_host_ed25519_key")), 0o600);
        assert_eq!(mode(&lines), 0o600);
    }

    fn id() -> (u32, u32) {
        (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw())
    }
}
