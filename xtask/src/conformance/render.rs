//! One chart, two engines: Helm as a process, and our crate in this process. Both give text or an error in words.

use crate::failure::{Doing, Result};
use crate::peers::HELM;
use crate::process::run;
use chart::{Capabilities, Chart, Release, Rendered, Surroundings, render_in};
use serde_json::{Map, Value, json};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// What an engine printed, or why it did not.
pub(super) type Printed = std::result::Result<String, String>;

const LIMIT: Duration = Duration::from_mins(3);
/// More than the second in which charts tell the time.
const SECOND: Duration = Duration::from_millis(1_100);
const RELEASE: &str = "my-release";

/// The Helm that is compared with.
pub(super) struct Helm {
    program: PathBuf,
    home: PathBuf,
    version: String,
    /// Where answers are kept from run to run.
    kept: Option<PathBuf>,
}

impl Helm {
    pub(super) fn new(program: Option<&str>, home: &Path, kept: Option<&str>) -> Result<Self> {
        let program = match program {
            Some(program) => PathBuf::from(program),
            None => HELM.binary("helm")?,
        };
        let version = run(
            Command::new(&program).args(["version", "--template", "{{.Version}}"]),
            LIMIT,
        )?
        .success("helm version")?;
        if let Some(folder) = kept {
            fs::create_dir_all(folder).doing(|| format!("make {folder}"))?;
        }
        Ok(Self {
            program,
            home: home.to_owned(),
            version: version.trim().to_owned(),
            kept: kept.map(PathBuf::from),
        })
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// `helm template`, for the first or the second time.
    pub(super) fn render(
        &self,
        name: &str,
        chart: &Path,
        values: Option<&Path>,
        time: u8,
    ) -> Result<Printed> {
        let kept = self
            .kept
            .as_ref()
            .map(|folder| folder.join(format!("{name}.{time}.json").replace('/', "+")));
        if let Some(path) = &kept
            && let Ok(text) = fs::read_to_string(path)
            && let Ok(answer) = serde_json::from_str::<Value>(&text)
            && let Some(text) = answer["text"].as_str()
        {
            let text = text.to_owned();
            return Ok(if answer["ok"] == true { Ok(text) } else { Err(text) });
        }
        let mut command = Command::new(&self.program);
        command.env("HOME", &self.home).env_remove("KUBECONFIG");
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(variable, self.home.join("helm"));
        }
        if time > 1 {
            // So that what is made of the time of day is another one: the clock itself is what is waited for.
            std::thread::sleep(SECOND);
        }
        command.args(["template", RELEASE]).arg(chart);
        if let Some(values) = values {
            command.arg("-f").arg(values);
        }
        let finished = run(&mut command, LIMIT)?;
        let printed = if finished.status.success() {
            Ok(finished.stdout)
        } else {
            let said = finished.stderr;
            Err(match said.split_once("Error: ") {
                Some((_, message)) => message.trim().to_owned(),
                None => said.trim().to_owned(),
            })
        };
        if let Some(path) = &kept {
            let (ok, text) = match &printed {
                Ok(text) => (true, text),
                Err(text) => (false, text),
            };
            let answer = json!({"ok": ok, "text": text}).to_string();
            fs::write(path, answer).doing(|| format!("write {}", path.display()))?;
        }
        Ok(printed)
    }
}

/// A chart in our engine, loaded once.
pub(super) struct Ours(std::result::Result<Chart, String>);

impl Ours {
    pub(super) fn load(path: &Path) -> Self {
        Self(guarded(|| {
            Chart::from_directory(path).map_err(|error| error.to_string())
        }))
    }

    /// Renders as `helm template` does, with the capabilities that Helm takes without a cluster.
    pub(super) fn render(&self, values: Option<&Path>) -> Printed {
        let chart = self.0.as_ref().map_err(Clone::clone)?;
        let values = match values {
            None => Value::Object(Map::new()),
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
                let read = yaml::parse_all(&text)
                    .map_err(|error| format!("failed to parse {}: {error}", path.display()))?;
                // Helm takes the first document.
                let first = read.into_iter().next().map(|document| document.value);
                first.unwrap_or_else(|| Value::Object(Map::new()))
            }
        };
        let release = Release {
            name: RELEASE.to_owned(),
            ..Release::default()
        };
        let capabilities = Capabilities {
            kube_version: "v1.37.0".to_owned(),
            ..Capabilities::default()
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let surroundings = Surroundings {
            now: now.map_or(0, |since| since.as_nanos() as i128),
            ..Surroundings::default()
        };
        guarded(|| {
            render_in(chart, &values, &release, &capabilities, &surroundings)
                .as_ref()
                .map(Rendered::text)
                .map_err(ToString::to_string)
        })
    }
}

/// A panic is a finding like any other.
fn guarded<T>(work: impl FnOnce() -> std::result::Result<T, String>) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("PANIC".to_owned()))
}
