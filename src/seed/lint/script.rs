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
        self.user |= any("authorized_keys");
        self.host_key |= any(super::super::answers::HOST_KEY);
    }
}
