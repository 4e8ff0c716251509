//! `goldsmith bundle serve`: bundles by HTTP, until it is interrupted.
use super::{open, run as run_task};
use crate::{
    bundle::Mirror,
    cli::{args::ServeBundle, console::Console, exit::Exit, problem::Problem, words::count},
};
use std::path::Path;

pub(super) fn run(arguments: &ServeBundle, console: &Console) -> Result<Exit, Problem> {
    let bundles = open(&arguments.bundles.files)?;
    let subject = arguments.bundles.files.first().map_or(Path::new("bundle"), |path| path.as_path());
    let files = count(bundles.cards().len(), "file");
    let (_, exit) = run_task(console, ("bundle-serve", subject), async |cx, _| {
        let mirror = Mirror::start(cx, bundles, arguments.listen).await?;
        let url = format!("http://{}/", mirror.address);
        cx.events().notice(format!("{files} at {url}, until this is interrupted"));
        if !console.json() && !console.out_is_terminal() {
            console.out(&url);
        }
        // To be interrupted is how this ends well.
        cx.stop().cancelled().await;
        drop(mirror);
        Ok(())
    })?;
    Ok(exit)
}
