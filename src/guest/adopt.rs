//! Into an image that takes no seed: by a login that it has, once, to bring the build's own key in.
use super::{
    Command, Credentials, Guest, GuestError, HostKey, Login, Trouble, capture, connect, connect_with, quote,
};
use crate::{cx::Cx, value::HumanDuration};
use std::{net::SocketAddr, time::Instant};

/// Waits until `own` works at `addr`, lets the key of `login` in as root, and logs in with that. From then on the guest is like one that took
/// a seed, but for its host key, which stays the image's.
pub async fn adopt(
    cx: &Cx,
    addr: SocketAddr,
    own: &Credentials,
    login: &Login,
    limit: HumanDuration,
    trouble: Trouble<'_>,
) -> Result<Guest, GuestError> {
    into_home(cx, addr, own, login, None, limit, trouble).await
}

/// `home` is root's, unless it is another one.
pub(super) async fn into_home(
    cx: &Cx,
    addr: SocketAddr,
    own: &Credentials,
    login: &Login,
    home: Option<&str>,
    limit: HumanDuration,
    trouble: Trouble<'_>,
) -> Result<Guest, GuestError> {
    let start = Instant::now();
    let first = connect_with(cx, addr, own, limit, trouble).await?;
    let label = "let the build's key in";
    capture(&first, cx, &Command::script(label, script(&login.authorized_key, home))).await?.ok(label)?;
    first.close().await;
    let host_key = match &own.host_key {
        HostKey::Pinned(line) => line.clone(),
        HostKey::KnownHosts(_) => login.host_key.clone(),
    };
    let login = Login { host_key, ..login.clone() };
    connect(cx, addr, &login, limit.get().saturating_sub(start.elapsed()).into(), trouble).await
}

/// Adds the line `key`, whatever the last line of the file ends with.
fn script(key: &str, home: Option<&str>) -> String {
    let home = home.map_or_else(|| "$(getent passwd root | cut -d: -f6)".to_owned(), quote);
    format!(
        "umask 077\nh={home}\nmkdir -p -- \"$h/.ssh\"\nf=$h/.ssh/authorized_keys\n\
         if [ -s \"$f\" ] && [ -n \"$(tail -c 1 -- \"$f\")\" ]; then echo >>\"$f\"; fi\n\
         printf '%s\\n' {} >>\"$f\"\n\
         if command -v restorecon >/dev/null; then restorecon -R -- \"$h/.ssh\" || true; fi\n",
        quote(key.trim())
    )
}
