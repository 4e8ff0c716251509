//! `goldsmith marketplace release`.
use super::{block_on, run};
use crate::{
    aws::{Aws, AwsError},
    cli::{
        args::{MarketplaceCommand, MarketplaceRelease},
        commands::pretty,
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::Tone,
    },
    cx::Cx,
    publish::marketplace::{self, Pace, Prepared, Products, Terms, Wish},
};
use std::{path::Path, time::Duration};

/// How often a change set is looked at: it takes an hour, and the catalogue allows few calls.
const EVERY: Duration = Duration::from_secs(20);

pub(in crate::cli::commands) fn marketplace(
    command: &MarketplaceCommand,
    console: &Console,
) -> Result<Exit, Problem> {
    match command {
        MarketplaceCommand::Release(arguments) => release(arguments, console),
    }
}

fn release(arguments: &MarketplaceRelease, console: &Console) -> Result<Exit, Problem> {
    let wish = wish(arguments)?;
    if arguments.dry_run {
        let account = arguments.account.account();
        let prepared = block_on(async {
            let aws = Aws::open(&account).await?;
            marketplace::prepare(&aws, &wish).await
        })?
        .map_err(Problem::Aws)?;
        return show(&prepared, console);
    }
    let pace = Pace { every: EVERY, limit: arguments.timeout.get() };
    let work = async |cx: &Cx, aws: &Aws| -> Result<_, AwsError> {
        let prepared = marketplace::prepare(aws, &wish).await?;
        marketplace::release(cx, aws, &prepared, pace).await
    };
    let (made, exit) = run(console, &arguments.account, "marketplace", Path::new(&arguments.ami), work)?;
    let Some(made) = made else { return Ok(exit) };
    if console.json() {
        console.out(&pretty(&made)?);
    } else {
        let theme = console.err_theme();
        console.note(&format!(
            "{} version {} is in the product {}",
            theme.mark(true),
            theme.paint(Tone::Strong, &made.title),
            made.product
        ));
        console.out(&made.change_set);
    }
    Ok(exit)
}

/// What would be sent. Only the JSON goes to stdout, as `aws marketplace-catalog start-change-set` takes it.
fn show(prepared: &Prepared, console: &Console) -> Result<Exit, Problem> {
    let json = prepared.change_set.json().map_err(|error| Problem::Internal(error.to_string()))?;
    let title = prepared.product_title.as_deref().map(|title| format!(" ({title})")).unwrap_or_default();
    console.note(&format!(
        "`{}` as version {} of the product {}{title}; nothing was sent",
        prepared.image, prepared.title, prepared.change_set.product
    ));
    console.out(&pretty(&json)?);
    Ok(Exit::Ok)
}

fn wish(arguments: &MarketplaceRelease) -> Result<Wish, Problem> {
    let products = match &arguments.products {
        Some(path) => Products::read(path).map_err(Problem::Aws)?,
        None => Products::default(),
    };
    Ok(Wish {
        ami: arguments.ami.clone(),
        products,
        product: arguments.product.clone(),
        public: arguments.public_product,
        channel: arguments.channel.clone(),
        title: arguments.title.clone(),
        notes: arguments.notes.clone(),
        instance_type: arguments.instance_type.clone(),
        terms: Terms {
            access_role: arguments.access_role.clone(),
            os_name: arguments.os_name.clone(),
            os_version: arguments.os_version.clone(),
            user: arguments.user.clone(),
            usage: arguments.usage.clone(),
            instance_type: None,
            ports: None,
        },
    })
}
