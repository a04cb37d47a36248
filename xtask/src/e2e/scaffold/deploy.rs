//! `ci/deploy.sh` of the scaffolds, against real Git repositories on this machine.

use super::super::platform::Platform;
use crate::failure::{Doing, Result, fail};
use crate::process::{Finished, Scratch, run};
use crate::tools::{self, GIT, SHELLCHECK};
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(2);
const FILE: &str = "teams/demo/dev/applications/shop.yaml";
const IMAGE: &str = "registry.example.com/demo/shop:v1";
const TOKEN: &str = "only-for-git";

/// The script commits one line, and only what it should; whatever is odd it leaves alone.
pub(crate) fn commits(platform: &Platform) -> Result<()> {
    let tools = tools::need(&[SHELLCHECK, GIT])?;
    let user = platform.new_user()?;
    user.succeed(None, "service create shop --language go")?;
    user.succeed(None, "service create other --language go --no-scaffold")?;
    let script = user.work().join("shop/ci/deploy.sh");
    run(Command::new(&tools[0]).arg(&script), LIMIT)?.success("shellcheck")?;

    let scratch = Scratch::new()?;
    let bench = Bench {
        script,
        repository: user.work().join("../towpath/infrastructure.git"),
        folder: scratch.path().to_owned(),
    };
    bench.program(
        "platform",
        &format!("exec '{}' \"$@\"", platform.path().display()),
    )?;
    bench.one_line_is_committed()?;
    bench.what_is_no_image_is_refused()?;
    bench.guardrails_judge_first()?;
    bench.only_problems_of_its_own_stop_it()?;
    bench.who_is_slower_starts_anew(platform)?;
    bench.who_may_not_push_is_told()?;
    bench.addresses_that_leak_or_run_are_refused()?;
    bench.odd_files_stay_as_they_are()
}

/// The script, the repository it commits to, and a folder for all else; `bin` of it comes first on the PATH.
struct Bench {
    script: PathBuf,
    repository: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn program(&self, name: &str, body: &str) -> Result<()> {
        let path = self.folder.join("bin").join(name);
        fs::create_dir_all(self.folder.join("bin")).doing(|| "make a folder".to_owned())?;
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).doing(|| format!("write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .doing(|| format!("make {} a program", path.display()))
    }

    /// Runs the script so that it shows every command; the token may be in none of them.
    fn run(&self, repository: &str, arguments: &[&str]) -> Result<Finished> {
        let mut path = vec![self.folder.join("bin")];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let path = env::join_paths(path).doing(|| "make a PATH".to_owned())?;
        let mut command = Command::new("sh");
        command.arg("-x").arg(&self.script).args(arguments);
        command
            .current_dir(&self.folder)
            .env("PATH", path)
            .env("HOME", &self.folder)
            .env("INFRASTRUCTURE_REPOSITORY", repository)
            .env("INFRASTRUCTURE_TOKEN", TOKEN)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TRACE", "1");
        for variable in ["INFRASTRUCTURE_USER", "INFRASTRUCTURE_BRANCH"] {
            command.env_remove(variable);
        }
        let finished = run(&mut command, LIMIT)?;
        if finished.stdout.contains(TOKEN) || finished.stderr.contains(TOKEN) {
            fail!("the token is in the log:\n{}{}", finished.stdout, finished.stderr);
        }
        Ok(finished)
    }

    fn here(&self) -> String {
        format!("file://{}", self.repository.display())
    }

    fn git(&self, folder: &Path, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder);
        command.args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]);
        command.args(arguments).env("HOME", &self.folder);
        run(&mut command, LIMIT)?.success(&format!("git {}", arguments.join(" ")))
    }

    fn head(&self) -> Result<String> {
        Ok(self
            .git(&self.repository, &["rev-parse", "main"])?
            .trim()
            .to_owned())
    }

    /// Commits a file as somebody else would.
    fn commit(&self, file: &str, text: &str) -> Result<()> {
        let clone = self.folder.join("clone");
        if clone.exists() {
            fs::remove_dir_all(&clone).doing(|| "remove a clone".to_owned())?;
        }
        let target = clone.display().to_string();
        self.git(
            &self.folder,
            &["clone", "--quiet", "--branch", "main", &self.here(), &target],
        )?;
        let path = clone.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).doing(|| format!("make {}", parent.display()))?;
        }
        fs::write(&path, text).doing(|| format!("write {}", path.display()))?;
        self.git(&clone, &["add", "."])?;
        self.git(&clone, &["commit", "--quiet", "--message", "By hand"])?;
        self.git(&clone, &["push", "--quiet", "origin", "main"]).map(drop)
    }

    fn file(&self) -> Result<String> {
        self.git(&self.repository, &["show", &format!("main:{FILE}")])
    }

    /// The script must fail with this word and leave the repository alone.
    fn refuses(&self, repository: &str, arguments: &[&str], word: &str) -> Result<()> {
        let before = self.head()?;
        let finished = self.run(repository, arguments)?;
        let what = arguments.join(" ");
        if finished.status.success() || !finished.stderr.contains(word) {
            fail!(
                "deploy.sh {what}: expected a refusal with {word:?}, got {}:\n{}",
                finished.status,
                finished.stderr
            );
        }
        if self.head()? != before {
            fail!("deploy.sh {what} failed and committed all the same");
        }
        Ok(())
    }

    fn works(&self, mode: &str, image: &str, word: &str) -> Result<()> {
        let finished = self.run(&self.here(), &[mode, image])?;
        let said = finished.stderr.clone();
        finished.success(&format!("deploy.sh {mode} {image}"))?;
        if !said.contains(word) {
            fail!("deploy.sh {mode} {image} does not say {word:?}:\n{said}");
        }
        Ok(())
    }

    fn one_line_is_committed(&self) -> Result<()> {
        let before = self.head()?;
        self.works("check", IMAGE, "may be deployed")?;
        if self.head()? != before {
            fail!("deploy.sh check commits");
        }
        self.works("push", IMAGE, "is deployed by")?;
        let changed = self.git(&self.repository, &["diff", "--numstat", &before, "main"])?;
        if changed != format!("1\t0\t{FILE}\n") {
            fail!("the first image should add one line to one file, and changed:\n{changed}");
        }
        let again = self.head()?;
        self.works("push", IMAGE, "what Git says already")?;
        if self.head()? != again {
            fail!("deploy.sh commits when there is nothing to do");
        }
        let digest = format!("{IMAGE}@sha256:{}", "0".repeat(64));
        self.works("push", &digest, "is deployed by")?;
        let changed = self.git(&self.repository, &["diff", "--numstat", &again, "main"])?;
        if changed != format!("1\t1\t{FILE}\n") {
            fail!("the second image should change one line of one file, and changed:\n{changed}");
        }
        if !self.file()?.contains(&format!("\n  image: {digest}\n")) {
            fail!("the file does not name the image:\n{}", self.file()?);
        }
        Ok(())
    }

    fn what_is_no_image_is_refused(&self) -> Result<()> {
        for hostile in [
            "",
            "shop",
            "shop:v1",
            "-x/y:v1",
            "/x/y:v1",
            "x/y:v1; touch pwned",
            "x/y:$(touch pwned)",
            "x/y:`touch pwned`",
            "x/y:v1\nspec: {}",
            "x/y:v1 # comment",
            "x/y:\"v1\"",
            "x/y:'v1'",
            "x/y:v1\\",
            "x/y:{{v1}}",
        ] {
            self.refuses(&self.here(), &["push", hostile], "image")?;
        }
        self.refuses(&self.here(), &[], "usage")?;
        self.refuses(&self.here(), &["delete", IMAGE], "usage")?;
        self.nothing_ran()
    }

    fn nothing_ran(&self) -> Result<()> {
        if self.folder.join("pwned").exists() {
            fail!("deploy.sh runs what others wrote");
        }
        Ok(())
    }

    fn guardrails_judge_first(&self) -> Result<()> {
        let image = "registry.example.com/demo/shop:latest";
        for mode in ["check", "push"] {
            self.refuses(&self.here(), &[mode, image], "platform check refuses")?;
        }
        Ok(())
    }

    fn only_problems_of_its_own_stop_it(&self) -> Result<()> {
        let other = "teams/demo/dev/applications/other.yaml";
        let text = self.git(&self.repository, &["show", &format!("main:{other}")])?;
        self.commit(other, "kind: [")?;
        self.works("push", "registry.example.com/demo/shop:v2", "not of this change")?;
        self.commit(other, &text)?;
        let own = self.file()?;
        self.commit(FILE, &own.replace("spec:\n", "spec:\n  replicas: -4\n"))?;
        self.refuses(&self.here(), &["push", IMAGE], "platform check refuses")?;
        self.commit(FILE, &own)
    }

    /// Somebody pushes between our clone and our push: the check is when that happens.
    fn who_is_slower_starts_anew(&self, platform: &Platform) -> Result<()> {
        let racer = format!(
            "if mkdir '{0}/raced' 2>/dev/null; then\n\
             git clone --quiet '{1}' '{0}/racer'\n\
             cd '{0}/racer' && echo 'by hand' >teams/note.txt && git add .\n\
             git -c user.name=Ann -c user.email=ann@example.com commit --quiet --message 'In between'\n\
             git push --quiet origin main\n\
             fi\n\
             cd / && exec '{2}' \"$@\"",
            self.folder.display(),
            self.here(),
            platform.path().display()
        );
        self.program("platform", &racer)?;
        self.works("push", "registry.example.com/demo/shop:v3", "is deployed by")?;
        let log = self.git(&self.repository, &["log", "--format=%an: %s", "-2", "main"])?;
        if log != "shop pipeline: Deploy shop: registry.example.com/demo/shop:v3\nAnn: In between\n" {
            fail!("after a race the log is:\n{log}");
        }
        Ok(())
    }

    fn who_may_not_push_is_told(&self) -> Result<()> {
        let hook = self.repository.join("hooks/pre-receive");
        fs::create_dir_all(self.repository.join("hooks")).doing(|| "make a folder".to_owned())?;
        fs::write(&hook, "#!/bin/sh\nexit 1\n").doing(|| "write a hook".to_owned())?;
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).doing(|| "write a hook".to_owned())?;
        self.refuses(&self.here(), &["push", IMAGE], "takes no push")?;
        fs::remove_file(&hook).doing(|| "remove a hook".to_owned())
    }

    fn addresses_that_leak_or_run_are_refused(&self) -> Result<()> {
        for (address, word) in [
            ("", "INFRASTRUCTURE_REPOSITORY is not set"),
            ("https://me:password@127.0.0.1:1/x.git", "holds a password"),
            ("http://127.0.0.1:1/x.git", "cannot read"),
            ("https://127.0.0.1:1/x.git", "cannot read"),
            ("ext::touch pwned", "cannot read"),
            ("--upload-pack=touch pwned", "cannot read"),
        ] {
            self.refuses(address, &["push", IMAGE], word)?;
        }
        self.nothing_ran()
    }

    fn odd_files_stay_as_they_are(&self) -> Result<()> {
        self.program("platform", "exit 0")?;
        let image = format!("  image: {IMAGE}\n");
        for (text, expect) in [
            (
                "a: 1\nspec:\n  image: x/y:1\n  port: 1\n",
                Some("a: 1\nspec:\n{}  port: 1\n"),
            ),
            (
                "spec:\n  port: 1\nstatus: 2\n",
                Some("spec:\n{}  port: 1\nstatus: 2\n"),
            ),
            (
                "spec:\n  env:\n  - name: image\n    image: q\n  port: 1\n",
                Some("spec:\n{}  env:\n  - name: image\n    image: q\n  port: 1\n"),
            ),
            (
                "spec:\n  a:\n    image: q\n",
                Some("spec:\n{}  a:\n    image: q\n"),
            ),
            (
                "# c\n---\nspec:\n\n  # image: no\n  image: a\n",
                Some("# c\n---\nspec:\n\n  # image: no\n{}"),
            ),
            (
                "spec: # c\nmetadata:\n  image: x\n",
                Some("spec: # c\n{}metadata:\n  image: x\n"),
            ),
            ("spec: {image: a}\n", None),
            ("spec:\n  image: a\n  image: b\n", None),
            ("spec:\n  image: >\n    a\n", None),
            ("spec:\n  image:\n    a\n", None),
            ("spec:\n  image: a\n    b\n", None),
            ("spec:\n  image: *a\n", None),
            ("spec:\n  \"image\": a\n", None),
            ("spec:\n  image : a\n", None),
            ("spec:\n  <<: *x\n  image: a\n", None),
            ("spec:\n    image: a\n  port: 1\n", None),
            ("spec:\n\timage: a\n", None),
            ("spec:\r\n  image: a\r\n", None),
            ("spec:\n  - b\n", None),
            ("spec:\n- b\n", None),
            ("\"spec\":\n  image: a\n", None),
            ("{spec: {image: a}}\n", None),
            ("spec: !!map\n  image: a\n", None),
            ("spec:\n  image: a\nspec:\n  x: 1\n", None),
            ("a: 1\n---\nspec:\n  y: 1\n", None),
            ("a: 1\n", None),
        ] {
            self.commit(FILE, text)?;
            match expect {
                Some(expect) => {
                    self.works("push", IMAGE, "is deployed by")?;
                    let expect = expect.replace("{}", &image);
                    let file = self.file()?;
                    if file != expect {
                        fail!("{text:?} should become {expect:?}, and became {file:?}");
                    }
                }
                None => self.refuses(&self.here(), &["push", IMAGE], "is left as it is")?,
            }
        }
        let clone = self.folder.join("clone");
        fs::remove_file(clone.join(FILE)).doing(|| "remove the file".to_owned())?;
        self.git(&clone, &["commit", "--quiet", "--all", "--message", "Gone"])?;
        self.git(&clone, &["push", "--quiet", "origin", "main"])?;
        self.refuses(&self.here(), &["push", IMAGE], "is the service created?")?;
        std::os::unix::fs::symlink("/etc/passwd", clone.join(FILE)).doing(|| "make a link".to_owned())?;
        self.git(&clone, &["add", "."])?;
        self.git(&clone, &["commit", "--quiet", "--message", "A link"])?;
        self.git(&clone, &["push", "--quiet", "origin", "main"])?;
        self.refuses(&self.here(), &["push", IMAGE], "not a plain file")
    }
}
