//! `platform service …`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Place, duration};

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Create a service: source repository, Git change, objects, database, cache
    Create(Box<Create>),
    /// List services
    #[command(visible_alias = "ls")]
    List(Place),
    /// Look at a service: how it is, why, and the chain from the commit to the pods
    Get(Get),
    /// Print the objects a service becomes, from Git alone
    Render(Render),
    /// Show what the cluster would get from Git that it does not have; exits 1 if there is something
    Diff(Diff),
    /// Delete a service; its data stays unless --delete-data
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The name: lowercase letters, digits and hyphens, at most 40
    pub name: String,
    #[command(flatten)]
    pub place: Place,
    /// The language of the source repository: go, node, python, rust, or one of the platform team
    #[arg(long, short, value_name = "LANGUAGE")]
    pub language: Option<String>,
    /// The golden path to follow, such as worker or base-service@1.0.0 [default: base-service]
    #[arg(long, value_name = "NAME[@VERSION]")]
    pub golden_path: Option<String>,
    /// How many copies run [default: 2]
    #[arg(long, short, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..=1000))]
    pub replicas: Option<i32>,
    /// Leave the number of copies to an autoscaler, between two bounds, such as 2-10
    #[arg(long, value_name = "MIN-MAX", value_parser = bounds, conflicts_with = "replicas")]
    pub autoscale: Option<(i32, i32)>,
    /// Answer from outside the cluster, at NAME.TEAM.DOMAIN of the environment
    #[arg(long)]
    pub route: bool,
    /// Answer from outside the cluster at this host, which must be one of the team's
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// When it runs, for a golden path that runs on a schedule, such as "0 3 * * *"
    #[arg(long, value_name = "SCHEDULE")]
    pub schedule: Option<String>,
    /// The time zone of the schedule, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", requires = "schedule")]
    pub time_zone: Option<String>,
    /// A database of its own: postgres, postgres:16
    #[arg(long, value_name = "TYPE[:VERSION]")]
    pub database: Option<String>,
    /// A cache of its own: redis, redis:7.0
    #[arg(long, value_name = "TYPE[:VERSION]")]
    pub cache: Option<String>,
    /// The image to run, with a version or digest
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// The port the service listens on [default: 8080]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(i32).range(1..=65535))]
    pub port: Option<i32>,
    /// How much CPU and memory: small, medium, large [default: small]
    #[arg(long, value_name = "SIZE")]
    pub size: Option<String>,
    /// Where the source repository goes [default: ./NAME]
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_scaffold")]
    pub dir: Option<PathBuf>,
    /// Make no source repository
    #[arg(long)]
    pub no_scaffold: bool,
    /// Check and expand, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long to wait for a healthy service, such as 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The service
    pub name: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Render {
    /// The service
    pub name: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The service
    pub name: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The service
    pub name: String,
    #[command(flatten)]
    pub place: Place,
    /// Delete its database and cache too, with everything in them
    #[arg(long = "delete-data")]
    pub with_data: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// How long to wait for the cluster, such as 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub timeout: Duration,
}

/// `2-10`: the fewest and the most copies.
fn bounds(text: &str) -> Result<(i32, i32), String> {
    let wrong = || "not two numbers of copies such as 2-10".to_owned();
    let (fewest, most) = text.split_once('-').ok_or_else(wrong)?;
    let number = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i32>()
            .ok()
            .filter(|number| digits && (1..=1000).contains(number))
            .ok_or_else(wrong)
    };
    match (number(fewest)?, number(most)?) {
        (fewest, most) if fewest <= most => Ok((fewest, most)),
        _ => Err("the fewest copies are more than the most".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read() {
        assert_eq!(bounds("2-10"), Ok((2, 10)));
        assert_eq!(bounds("3-3"), Ok((3, 3)));
        for bad in [
            "", "2", "-", "2-", "-2", "10-2", "0-2", "1-1001", "a-b", "2-10-20", "+2-3",
        ] {
            assert!(bounds(bad).is_err(), "{bad}");
        }
    }
}
