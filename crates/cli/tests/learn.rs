//! Completions that shells understand, and manual pages that readers can open.

mod support;

use std::collections::BTreeSet;
use std::fs;

use support::Machine;

/// Whether a program is on this machine.
fn there(machine: &Machine, program: &str) -> bool {
    let mut command = machine.program(program);
    command.arg("--version").stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn shells_understand_their_completions() {
    let machine = Machine::new();
    for (shell, words) in [
        ("bash", "complete -F _platform"),
        ("zsh", "#compdef platform"),
        ("fish", "complete -c platform"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let made = machine.run(&format!("completion {shell}")).exits(0);
        assert!(made.stdout.contains(words), "{shell}");
        assert_eq!(made.stderr, "", "{shell}");
        for command in ["golden-path", "delete-namespaces", "diff"] {
            assert!(made.stdout.contains(command), "{shell}: {command}");
        }
        let file = machine.work().join(shell);
        fs::write(&file, &made.stdout).unwrap();
        if shell != "powershell" && there(&machine, shell) {
            let checked = machine.program(shell).arg("-n").arg(&file).output().unwrap();
            assert!(checked.status.success(), "{shell} -n: {checked:?}");
        }
    }
    // No platform was opened for it.
    assert!(!machine.home().exists());
}

#[test]
fn bash_completes_commands_and_options() {
    let machine = Machine::new();
    let made = machine.run("completion bash").exits(0);
    let file = machine.work().join("platform.bash");
    fs::write(&file, &made.stdout).unwrap();
    let complete = |words: &str| {
        let count = words.split(' ').count() - 1;
        let script = format!(
            "source {} && COMP_WORDS=({words}) COMP_CWORD={count} && \
             _platform platform \"${{COMP_WORDS[{count}]}}\" \"\" ; echo \"${{COMPREPLY[@]}}\"",
            file.display()
        );
        let output = machine.program("bash").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let check = |words: &str, expect: &[&str]| {
        let expect: BTreeSet<String> = expect.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(complete(words), expect, "{words}");
    };
    check("platform serv", &["service"]);
    check("platform service d", &["delete", "diff"]);
    check("platform team create --own", &["--owner"]);
    check("platform team delete x --delete-n", &["--delete-namespaces"]);
    check("platform completion z", &["zsh"]);
    check("platform nothing-like-it", &[]);
}

#[test]
fn every_command_has_a_page() {
    let machine = Machine::new();
    machine
        .run("man pages/here")
        .exits(0)
        .says(&["pages in pages/here"]);
    let folder = machine.work().join("pages/here");
    let names: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in [
        "platform.1",
        "platform-service-create.1",
        "platform-team-delete.1",
        "platform-golden-path-get.1",
    ] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    let page = fs::read_to_string(folder.join("platform-service-diff.1")).unwrap();
    assert!(page.contains(".TH platform-service-diff 1"), "{page}");
    assert!(page.contains("SYNOPSIS"), "{page}");
    let formatter = ["mandoc", "groff"]
        .into_iter()
        .find(|program| there(&machine, program));
    for name in &names {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        assert!(text.lines().any(|line| line.starts_with(".SH NAME")), "{name}");
        if let Some(formatter) = formatter {
            let mut command = machine.program(formatter);
            let shown = command
                .args(["-man", "-Tutf8"])
                .arg(folder.join(name))
                .output()
                .unwrap();
            assert!(shown.status.success(), "{name}: {shown:?}");
        }
    }
    // Again is no harm, and makes the same.
    machine.run("man pages/here").exits(0);
    assert_eq!(
        fs::read_to_string(folder.join("platform-service-diff.1")).unwrap(),
        page
    );
    assert!(!machine.home().exists());
}

#[test]
fn wrong_words_are_told() {
    let machine = Machine::new();
    fs::write(machine.work().join("file"), "mine").unwrap();
    for (line, code, words) in [
        ("completion", 2, "--help"),
        ("completion tcsh", 2, "bash, zsh, fish, powershell"),
        ("completions bash", 2, "did you mean 'completion'?"),
        ("man", 2, "--help"),
        ("man file/below", 1, "file"),
        ("man file", 1, "file"),
        ("man /proc/towpath", 1, "/proc/towpath"),
    ] {
        machine.run(line).fails(code, &["hint: ", words]);
    }
    assert_eq!(fs::read_to_string(machine.work().join("file")).unwrap(), "mine");
}
