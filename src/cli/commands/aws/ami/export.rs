//! `goldsmith ami export`.
use super::work;
use crate::{
    cli::{
        args::{AmiExport, ExportFormat},
        commands::pretty,
        console::Console,
        exit::Exit,
        problem::Problem,
    },
    publish::ami::{self, ExportPlan, Patience},
    value::Size,
};

pub(super) fn run(arguments: &AmiExport, console: &Console) -> Result<Exit, Problem> {
    if let Some(folder) = &arguments.download
        && !folder.is_dir()
    {
        return Err(Problem::usage(format!("there is no folder `{}`", folder.display())));
    }
    let (bucket, prefix) = arguments.to.clone();
    let plan = ExportPlan {
        ami: arguments.ami.clone(),
        bucket,
        prefix,
        format: match arguments.format {
            ExportFormat::Raw => "raw",
            ExportFormat::Vmdk => "vmdk",
            ExportFormat::Vhd => "vhd",
        }
        .to_owned(),
        role: arguments.role.clone(),
        patience: Patience { limit: arguments.timeout.get(), ..Patience::default() },
    };
    let names = ("ami-export", "export");
    let (made, exit) = work(console, &arguments.account, names, &arguments.ami, async |cx, aws| {
        let mut exported = ami::export(cx, aws, &plan).await?;
        if let Some(folder) = &arguments.download {
            ami::download(cx, aws, &mut exported, folder).await?;
        }
        Ok(exported)
    })?;
    let Some(exported) = made else { return Ok(exit) };
    if console.json() {
        console.out(&pretty(&exported)?);
        return Ok(exit);
    }
    let theme = console.err_theme();
    let (place, size) = (format!("s3://{}/{}", exported.bucket, exported.key), Size::bytes(exported.bytes));
    console.note(&format!("{} `{}` is `{place}`, {size}", theme.mark(true), exported.ami));
    match (&exported.path, &exported.sha256) {
        (Some(path), Some(digest)) => {
            console.note(&format!("  sha256 {digest}"));
            console.out(&path.display().to_string());
        }
        _ => console.out(&place),
    }
    Ok(exit)
}
