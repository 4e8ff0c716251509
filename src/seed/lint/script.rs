//! What a shell script does, told from its words: enough to see whether it cares for the build at all.
use super::{Does, FINISH};

impl Does {
    /// Adds what `script` does.
    pub(super) fn script(&mut self, script: &str) {
        let lines = || script.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let any = |word: &str| lines().any(|line| line.contains(word));
        self.finish |= any(FINISH);
        self.sshd |=
            lines().any(|line| line.contains("systemctl") && line.contains("enable") && line.contains("ssh"));
        // Ubuntu's installer forbids cloud-init to look for anything but its own data.
        self.cloud_init |= any("99-installer.cfg");
    }
}
