//! `goldsmith ami test`: an AMI that exists, started and looked at from inside.
use crate::{
    aws::Aws,
    build::{self, Job},
    cli::{
        args::{self, InstanceArgs, Way, WhenFailed},
        commands::{
            block_on,
            build::{Manner, all},
            dirs, load,
        },
        console::Console,
        exit::Exit,
        problem::Problem,
    },
    definition,
    driver::ec2,
    fetch::Gate,
    plan::{AwsPlan, Ec2Plan, Plan, SeedKind, SshFrom, SshWay},
    value::Arch,
};
use std::{path::Path, sync::Arc};

pub(super) fn run(arguments: &args::AmiTest, console: &Console) -> Result<Exit, Problem> {
    let mut plan = match &arguments.definition {
        Some(path) => of_definition(arguments, path)?,
        None => of_nothing(arguments)?,
    };
    instance(&arguments.instance, &mut plan);
    // Whoever asks for a proof gets one, whatever builds do.
    plan.verify.boot = true;
    let packages = match &arguments.packages {
        Some(path) => Some(
            std::path::absolute(path)
                .map_err(|error| Problem::host(format!("could not find `{}`", path.display()), error))?,
        ),
        None => None,
    };
    let ami = build::AmiTest {
        id: arguments.ami.clone(),
        os_release: arguments.expect_os_release.clone(),
        up_to_date: arguments.up_to_date,
        packages,
    };
    let on_error = WhenFailed::Cleanup.into();
    let jobs = [Job { plan: Arc::new(plan), image: None, ami: Some(ami), on_error }];
    let dirs = dirs()?;
    block_on(all(&jobs, Manner { debug: false, parallel: 1 }, Gate::open(), &dirs, console))?
}

/// What the definition wants, in the account that is meant.
fn of_definition(arguments: &args::AmiTest, path: &Path) -> Result<Plan, Problem> {
    let inputs = load::inputs(&arguments.inputs, None);
    let mut plan = load::one(path, &inputs, &arguments.selection)?;
    plan.aws = account(arguments, plan.aws);
    // It may have been built here, and uploaded.
    if plan.machine.ec2.is_none() {
        plan.machine.ec2 = Some(Box::new(Ec2Plan::plain(plan.arch)));
    }
    if matches!(plan.guest.seed, SeedKind::NoCloud | SeedKind::Credentials) {
        plan.guest.seed = SeedKind::UserData;
    }
    Ok(plan)
}

/// An instance of the usual kind for the AMI's architecture, about which nothing else is known.
fn of_nothing(arguments: &args::AmiTest) -> Result<Plan, Problem> {
    let account = account(arguments, AwsPlan::default());
    let AwsPlan { profile, region, endpoint } = account.clone();
    let arch: Arch = block_on(async {
        let aws = Aws::open(&crate::aws::Account { profile, region, endpoint }).await?;
        ec2::architecture_of(&aws, &arguments.ami).await
    })?
    .map_err(Problem::Aws)?;
    let id = serde_json::Value::from(arguments.ami.as_str());
    let text = format!(
        "name = {id}\narch = \"{arch}\"\nsource.ami.id = {id}\nmachine.driver = \"ec2\"\n[[output]]\nformat = \"ami\"\n"
    );
    let path = std::path::absolute(format!("{}.toml", arguments.ami))
        .map_err(|error| Problem::host("could not find the current folder", error))?;
    let mut plan = definition::resolve(&text, &path, &definition::Inputs::default())
        .map_err(|error| Problem::Definitions(vec![Box::new(error)]))?;
    plan.aws = account;
    Ok(plan)
}

/// What is said on the command line counts.
fn account(arguments: &args::AmiTest, of_plan: AwsPlan) -> AwsPlan {
    let said = &arguments.account;
    AwsPlan {
        profile: said.profile.clone().or(of_plan.profile),
        region: said.region.clone().or(of_plan.region),
        endpoint: said.endpoint_url.clone().or(of_plan.endpoint),
    }
}

fn instance(said: &InstanceArgs, plan: &mut Plan) {
    if said.ignition {
        plan.guest.seed = SeedKind::Ignition;
        "core".clone_into(&mut plan.guest.user);
    }
    let Some(ec2) = plan.machine.ec2.as_mut() else { return };
    if !said.instance_type.is_empty() {
        ec2.instance_types.clone_from(&said.instance_type);
    }
    if !said.ssh_from.is_empty() {
        ec2.ssh_from = SshFrom::Networks(said.ssh_from.clone());
    }
    if let Some(way) = said.ssh {
        ec2.ssh = match way {
            Way::Public => SshWay::Public,
            Way::Private => SshWay::Private,
            Way::SessionManager => SshWay::SessionManager,
        };
    }
    ec2.subnet = said.subnet.clone().or(ec2.subnet.take());
    ec2.profile = said.instance_profile.clone().or(ec2.profile.take());
    ec2.ssh_port = said.ssh_port.unwrap_or(ec2.ssh_port);
}
