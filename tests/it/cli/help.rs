//! `--help`, completions and manual pages: every command has examples that are right, and what is generated works.

use std::process::Command;

use clap::Parser;

use super::{keyhaven, output, refused};

fn printed(args: &[&str]) -> String {
    let output = output(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that `keyhaven --help` lists.
fn commands() -> Vec<String> {
    let help = printed(&["--help"]);
    let list = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<_> = names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(names.len() > 10, "{help}");
    names.into_iter().filter(|name| name != "help").collect()
}

#[test]
fn every_command_has_examples_that_it_accepts() {
    for name in commands() {
        let help = printed(&[&name, "--help"]);
        let examples = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{name} --help has no examples")).1;
        assert!(examples.lines().all(|line| line.len() <= 80), "{name}: a line would be broken: {examples}");
        let calls: Vec<_> = examples.lines().filter_map(|line| line.trim().strip_prefix("keyhaven ")).collect();
        assert!(calls.iter().any(|call| call.starts_with(&name)), "{name}: {examples}");
        for call in calls {
            accepts(call);
        }
    }
}

/// Fails when the command line is wrong. What follows three blanks, or a redirection, is not of it.
fn accepts(call: &str) {
    let call = call.split("   ").next().unwrap().split(['>', '|']).next().unwrap();
    let words = call.split_whitespace().map(|word| word.trim_matches('\''));
    if let Err(error) = keyhaven::Cli::try_parse_from(std::iter::once("keyhaven").chain(words)) {
        panic!("keyhaven {call}: {error}");
    }
}

#[test]
fn options_are_in_groups_and_those_of_run_come_first() {
    let help = printed(&["run", "--help"]);
    let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text}: {help}"));
    let groups =
        ["\nOptions:", "\nVaults and identities:", "\nAddresses and trust:", "\nTakeover:", "\nTime:", "\nLog:"];
    let places = groups.map(at);
    assert!(places.is_sorted(), "{help}");
    for own in ["--identity <NAME>", "--credential <KIND>", "--keep-secrets"] {
        assert!(places[0] < at(own) && at(own) < places[1], "{own}");
    }
    assert!(at("--show-log") > places[5] && at("--offline") > places[3] && at("--offline") < places[4]);
}

#[test]
fn bash_completes_commands_by_the_script_that_is_printed() {
    let script = r#"eval "$("$0" completions bash)"
        COMP_WORDS=(keyhaven comp) COMP_CWORD=1 && _keyhaven keyhaven comp keyhaven && echo "${COMPREPLY[@]}"
        COMP_WORDS=(keyhaven run --off) COMP_CWORD=2 && _keyhaven keyhaven --off run && echo "${COMPREPLY[@]}""#;
    let completed = Command::new("bash").args(["-c", script, env!("CARGO_BIN_EXE_keyhaven")]).output().unwrap();
    let said = String::from_utf8(completed.stdout).unwrap();
    assert_eq!(said, "completions\n--offline\n", "{}", String::from_utf8_lossy(&completed.stderr));
    assert!(printed(&["completions", "zsh"]).starts_with("#compdef keyhaven\n"));
    assert!(printed(&["completions", "fish"]).contains("complete -c keyhaven "));
    assert!(
        printed(&["completions", "zsh"]).contains("--data=[") && !printed(&["env", "--help"]).contains("source Back")
    );
    assert_eq!(output(&["completions", "tcsh"]).status.code(), Some(2));
}

/// In a terminal, where readline asks the script.
#[test]
fn bash_completes_directories_files_and_the_values_of_options() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data-directory")).unwrap();
    std::fs::write(dir.path().join("file.json"), "").unwrap();
    let typed = r#"
import os, pty, sys
program, typed = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.environ.update(PS1="", TERM="dumb", PATH=os.path.dirname(program) + ":" + os.environ["PATH"])
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
os.write(terminal, ("source <(keyhaven completions bash)\n" + typed + "exit\n").encode())
seen = b""
while True:
    try:
        seen += os.read(terminal, 4096)
    except OSError:
        break
print(seen.decode())
"#;
    let lines = [
        r#"keyhaven() { echo "[$*]"; }"#,
        "keyhaven serve --data data-d\tx",
        "keyhaven serve --config fi\t",
        "keyhaven serve --clock vir\t",
        "keyhaven run --credential=w\tx",
        "keyhaven run -- --off\t",
        "keyhaven run -- python3 fi\t",
        "keyhaven man snap\t",
        "keyhaven serve --takeover en\t",
        "keyhaven serve --pass fi\t",
        "",
    ];
    let mut python = Command::new("python3");
    python.args(["-c", typed, env!("CARGO_BIN_EXE_keyhaven"), &lines.join("\n")]).current_dir(dir.path());
    let said = String::from_utf8(python.output().unwrap().stdout).unwrap();
    for part in [
        "[serve --data data-directory/x]",
        "[serve --config file.json]",
        "[serve --clock virtual]",
        "[run --credential=workload-identity x]",
        "[run -- --off]",
        "[run -- python3 file.json]",
        "[man snapshot]",
        "[serve --takeover entra]",
        "[serve --pass fi]",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn manual_pages_say_what_help_says() {
    let page = printed(&["man"]);
    assert!(page.contains(".TH keyhaven 1"), "{page}");
    for name in commands() {
        assert!(page.contains(&format!("keyhaven\\-{}(1)", name.replace('-', "\\-"))), "{name}: {page}");
    }
    let page = printed(&["man", "vault", "copy"]);
    assert!(page.contains(".TH keyhaven-vault-copy 1") && page.contains("The vault to copy"), "{page}");
    let page = printed(&["man", "run"]);
    let title = concat!(".TH keyhaven-run 1  \"keyhaven ", env!("CARGO_PKG_VERSION"), "\" Keyhaven\n");
    assert!(page.contains(title), "{page}");
    let synopsis = page.split_once(".SH SYNOPSIS\n").unwrap().1.lines().next().unwrap();
    for part in [
        r"\fBkeyhaven run\fR [",
        r"[\fB\-\-config\fR \fIFILE\fR]",
        r"[\fB\-\-create\-vaults\fR[=\fIBOOL\fR]]",
        r"[\fB\-\-offline\fR]",
        r"] \fICOMMAND\fR ...",
    ] {
        assert!(synopsis.contains(part), "{part}: {synopsis}");
    }
    let examples = page.split_once(".SH EXAMPLES\n.nf\n").unwrap().1;
    assert!(examples.starts_with("  keyhaven run python3 app.py") && examples.ends_with("\n.fi\n"), "{examples}");
    for part in ["\\-\\-offline", "KEYHAVEN_OFFLINE", "keyhaven run python3 app.py"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(refused(&["man", "nothing"], 2).contains("keyhaven has no command 'nothing': use serve, run, "));
}

#[test]
fn an_option_that_the_environment_gives_is_not_one_that_must_be_given() {
    for (line, usage) in [
        ("apply", "Usage: keyhaven apply [OPTIONS] <FILE>\n"),
        ("snapshot load", "Usage: keyhaven snapshot load [OPTIONS] <FILE>\n"),
    ] {
        let mut command = keyhaven(&line.split(' ').collect::<Vec<_>>());
        command.env("KEYHAVEN_READY_FILE", "/nowhere/ready.json").env("KEYHAVEN_DATA", "/nowhere");
        let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
        assert!(said.contains("not provided") && said.contains(usage), "{said}");
    }
}

#[test]
fn a_command_that_there_is_not_is_answered_with_those_that_there_are() {
    let refused = output(&["rnu", "python3", "app.py"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        said.contains("unrecognized subcommand 'rnu'") && said.contains("the commands are serve, run, env, "),
        "{said}"
    );
}
