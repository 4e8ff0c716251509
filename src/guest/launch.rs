//! How a script gets into the guest and its output back: the launcher, and the reader of its protocol.
//!
//! The launcher is a line for the login shell. It takes the script from standard input into a file that is in memory and
//! removed before the script begins, says in one line which process group it is (to kill it later), and becomes the
//! script. What is left of standard input belongs to the script.
use super::{Command, quote};
use crate::cx::Stream;

/// Begins the line that says that the script is about to start.
const STARTED: &[u8] = b"@goldsmith ";
/// `PATH` of every script: a login as root through sudo, through sshd or through runuser would differ otherwise.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A line longer than this is handed out in parts.
const LONGEST_LINE: usize = 64 * 1024;

/// The script as it is sent: environment first, on the script's own first line so that line numbers in messages hold.
pub(super) fn body(command: &Command) -> Result<Vec<u8>, String> {
    let mut body = format!("exec 3<&-;PATH={PATH};export PATH;");
    exports(command, &mut body)?;
    body.push_str(command.script.expose());
    body.push('\n');
    Ok(body.into_bytes())
}

/// Adds the environment of `command` to `text`; an error if something of it cannot be said in a shell.
pub(super) fn exports(command: &Command, text: &mut String) -> Result<(), String> {
    for (name, value) in &command.env {
        let mut bytes = name.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if !first || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!("`{name}` is no name for an environment variable"));
        }
        if value.expose().contains('\0') {
            return Err(format!("the value of `{name}` holds a NUL byte"));
        }
        text.push_str(&format!("export {name}={};", quote(value.expose())));
    }
    if command.script.expose().contains('\0') {
        return Err("the script holds a NUL byte".to_owned());
    }
    Ok(())
}

/// The line for the login shell of `login` that runs a body of `length` bytes.
pub(super) fn line(login: &str, user: Option<&str>, length: usize) -> String {
    // dd reads exactly so many bytes and no more; head may read ahead and rob the script of its input.
    // The process group is the fifth field of stat; the second has no blank, because it is `(sh)` or `(dash)`.
    let launcher = format!(
        "u=$(umask);umask 077;\
         d=$(mktemp -d /dev/shm/goldsmith.XXXXXXXX 2>/dev/null||mktemp -d)&&\
         dd bs={length} count=1 iflag=fullblock of=\"$d/s\" 2>/dev/null&&\
         [ \"$(wc -c <\"$d/s\")\" -eq {length} ]&&exec 3<\"$d/s\";r=$?;\
         [ -z \"$d\" ]||rm -rf \"$d\";[ \"$r\" = 0 ]||exit 125;umask \"$u\";\
         read -r a b c e g h </proc/$$/stat;echo \"@goldsmith $g\";\
         cd \"${{HOME:-/}}\" 2>/dev/null||cd /;exec /bin/sh -eu /proc/self/fd/3"
    );
    as_user(login, user, &format!("/bin/sh -c {}", quote(&launcher)))
}

/// The line for the login shell of `login` that runs `shell` as `user`, or as root.
pub(super) fn as_user(login: &str, user: Option<&str>, shell: &str) -> String {
    match (login, user) {
        (_, Some(user)) if user == login => shell.to_owned(),
        ("root", None) => shell.to_owned(),
        ("root", Some(user)) => {
            let user = quote(user);
            // runuser keeps root's HOME without -l, and -l would read the user's profile.
            format!(
                "HOME=$(getent passwd {user}|cut -d: -f6) USER={user} LOGNAME={user} runuser -u {user} -- {shell}"
            )
        }
        (_, None) => format!("sudo -n -H -- {shell}"),
        (_, Some(user)) => format!("sudo -n -H -u {} -- {shell}", quote(user)),
    }
}

/// Finds the launcher's line at the start of standard output and hands on what follows.
#[derive(Debug, Default)]
pub(super) struct Started {
    group: Option<u32>,
    head: Vec<u8>,
}

impl Started {
    /// The process group of the running script, once known.
    pub(super) fn group(&self) -> Option<u32> {
        self.group
    }

    /// What of `bytes` is the script's own output. Lines before the launcher's come from the user's shell profile.
    pub(super) fn strip(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.group.is_some() {
            return bytes.to_vec();
        }
        self.head.extend_from_slice(bytes);
        while let Some(end) = self.head.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.head.drain(..=end).collect();
            let group = line
                .strip_prefix(STARTED)
                .and_then(|rest| std::str::from_utf8(rest).ok())
                .and_then(|rest| rest.trim().parse().ok());
            if group.is_some() {
                self.group = group;
                return std::mem::take(&mut self.head);
            }
        }
        Vec::new()
    }
}

/// Makes lines of pieces.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Gives every complete line to `out`.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8], out: &mut (dyn FnMut(Stream, &str) + Send)) {
        let mut from = self.rest.len();
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(end) = self.rest[from..].iter().position(|b| *b == b'\n').map(|at| from + at) {
            emit(stream, &self.rest[start..end], out);
            start = end + 1;
            from = start;
        }
        self.rest.drain(..start);
        if self.rest.len() > LONGEST_LINE {
            self.finish(stream, out);
        }
    }

    /// Gives what is left of an unfinished line.
    pub(super) fn finish(&mut self, stream: Stream, out: &mut (dyn FnMut(Stream, &str) + Send)) {
        if !self.rest.is_empty() {
            emit(stream, &self.rest, out);
            self.rest.clear();
        }
    }
}

fn emit(stream: Stream, line: &[u8], out: &mut (dyn FnMut(Stream, &str) + Send)) {
    let line = String::from_utf8_lossy(line);
    let line = line.strip_suffix('\r').unwrap_or(&line);
    // Progress bars rewrite their line; the last state is what a log wants.
    out(stream, line.rsplit('\r').next().unwrap_or(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_profile_prints_is_not_output() {
        let mut started = Started::default();
        assert_eq!(started.strip(b"Welcome!\n@gold"), b"");
        assert_eq!(started.strip(b"smith 4711\nfirst\0\nsec"), b"first\0\nsec");
        assert_eq!(started.group(), Some(4711));
        assert_eq!(started.strip(b"@goldsmith 1\n"), b"@goldsmith 1\n");
    }

    #[test]
    fn lines_come_whole_whatever_the_pieces() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in ["a", "b\nc\r\n", "", "\n10%\r20%\r", "100%\nlast ü"] {
            lines.push(Stream::Stdout, piece.as_bytes(), &mut |_, line: &str| seen.push(line.to_owned()));
        }
        lines.finish(Stream::Stdout, &mut |_, line: &str| seen.push(line.to_owned()));
        assert_eq!(seen, ["ab", "c", "", "100%", "last ü"]);
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let mut lines = Lines::default();
        let mut parts = 0;
        for _ in 0..20 {
            lines.push(Stream::Stdout, &vec![b'x'; 32 * 1024], &mut |_, _: &str| parts += 1);
            assert!(lines.rest.len() <= LONGEST_LINE);
        }
        assert!(parts >= 6);
    }

    #[test]
    fn a_bad_variable_name_is_refused_not_quoted() {
        let command = Command::script("x", "true").env("A B", crate::value::Secret::new("1"));
        assert!(body(&command).unwrap_err().contains("A B"));
    }
}
