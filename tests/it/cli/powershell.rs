//! The commands of kits/powershell. There is no PowerShell here: their declarations are read, and held against those of Az.DataFactory and against
//! the command line that they call.

use super::output;

const MODULE: &str = include_str!("../../../kits/powershell/Keyhaven.psm1");

/// The declaration of a parameter: its name, its aliases, and of each set it is in (`*`: of all) what is said of it there.
#[derive(Debug, PartialEq, Eq)]
struct Parameter {
    name: String,
    aliases: Vec<String>,
    sets: Vec<String>,
}

/// The parameters of the function `name`.
fn parameters(name: &str) -> Vec<Parameter> {
    let function = MODULE.split(&format!("\nfunction {name} {{")).nth(1).unwrap().split("\n}").next().unwrap();
    let declared = function.split("    param(\n").nth(1).unwrap().split("\n    )\n").next().unwrap();
    declared.split("\n\n").map(parameter).collect()
}

fn parameter(declared: &str) -> Parameter {
    let mut read = Parameter { name: String::new(), aliases: Vec::new(), sets: Vec::new() };
    for line in declared.lines().map(str::trim) {
        if let Some(said) = line.strip_prefix("[Parameter(").and_then(|line| line.strip_suffix(")]")) {
            read.sets.push(set(said));
        } else if let Some(aliases) = line.strip_prefix("[Alias(").and_then(|line| line.strip_suffix(")]")) {
            read.aliases = aliases.split(", ").map(|alias| alias.trim_matches('\'').to_owned()).collect();
        } else if let Some((_, name)) = line.split_once("] $") {
            read.name = name.trim_end_matches(',').to_owned();
        }
    }
    read
}

/// `SET POSITION MANDATORY PIPELINE`, as the service's pages have them.
fn set(said: &str) -> String {
    let words: Vec<&str> = said.split(", ").collect();
    let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.trim().strip_prefix("= "));
    let has = |name: &str| words.contains(&name);
    let set = value("ParameterSetName").map_or("*", |set| set.trim_matches('\''));
    let pipeline = match (has("ValueFromPipelineByPropertyName"), has("ValueFromPipeline")) {
        (true, _) => "ByPropertyName",
        (_, true) => "ByValue",
        _ => "-",
    };
    format!("{set} {} {} {pipeline}", value("Position").unwrap_or("Named"), has("Mandatory"))
}

fn expected(table: &[(&str, &[&str], &[&str])]) -> Vec<Parameter> {
    let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    let row = |&(name, aliases, sets): &(&str, &[&str], &[&str])| Parameter {
        name: name.to_owned(),
        aliases: texts(aliases),
        sets: texts(sets),
    };
    table.iter().map(row).collect()
}

/// Typed from the pages of both commands in the documentation of Az.DataFactory, and from the sources of azure-powershell.
#[test]
fn the_parameters_are_those_of_az_data_factory() {
    let named: &[&str] = &["* Named false -"];
    let profile: (&str, &[&str], &[&str]) =
        ("DefaultProfile", &["AzContext", "AzureRmContext", "AzureCredential"], named);
    let encrypting = expected(&[
        ("ResourceGroupName", &[], &["ByFactoryName 0 true ByPropertyName"]),
        ("DataFactoryName", &[], &["ByFactoryName 1 true ByPropertyName"]),
        ("DataFactory", &[], &["ByFactoryObject 0 true ByValue"]),
        (
            "IntegrationRuntimeName",
            &[],
            &["ByFactoryName 2 true ByPropertyName", "ByFactoryObject 1 true ByPropertyName"],
        ),
        ("DefinitionFile", &["File"], &["ByFactoryName 3 true -", "ByFactoryObject 2 true -"]),
        ("Force", &[], named),
        profile,
    ]);
    assert_eq!(parameters("New-AzDataFactoryV2LinkedServiceEncryptedCredential"), encrypting);
    let setting = expected(&[
        ("ResourceGroupName", &[], &["ByFactoryName 0 true ByPropertyName"]),
        ("DataFactoryName", &[], &["ByFactoryName 1 true ByPropertyName"]),
        ("Name", &["LinkedServiceName"], &["ByFactoryName 2 true ByPropertyName"]),
        ("ResourceId", &[], &["ByResourceId 0 true ByPropertyName"]),
        ("DefinitionFile", &["File"], &["* 3 true -"]),
        ("Force", &[], named),
        profile,
    ]);
    assert_eq!(parameters("Set-AzDataFactoryV2LinkedService"), setting);
    let binding = "[CmdletBinding(DefaultParameterSetName = 'ByFactoryName', SupportsShouldProcess)]";
    assert_eq!(MODULE.matches(binding).count(), 2);
    assert!(MODULE.contains("[Alias('New-AzDataFactoryV2LinkedService')]"));
}

#[test]
fn the_command_line_has_what_they_call() {
    let calls: [(&[&str], &[&str]); 4] = [
        (
            &["encrypt-linked-service"],
            &[
                "--data-factory-name",
                "--resource-group-name",
                "--integration-runtime-name",
                "--definition-file",
                "--subscription",
            ],
        ),
        (&["identity", "list"], &["--json"]),
        (&["identity", "token"], &["--resource"]),
        (&["env"], &["--format"]),
    ];
    for (command, options) in calls {
        let quoted: Vec<String> = command.iter().map(|word| format!("'{word}'")).collect();
        assert!(MODULE.contains(&quoted.join(", ")), "{command:?} is called");
        let help = output(&[command, &["--help"]].concat());
        let help = String::from_utf8(help.stdout).unwrap();
        for option in options {
            assert!(MODULE.contains(&format!("'{option}'")) && help.contains(option), "{command:?} {option}: {help}");
        }
    }
    let known: Vec<&str> = calls.iter().flat_map(|(_, options)| options.iter().copied()).collect();
    for word in MODULE.split("'--").skip(1).map(|after| after.split('\'').next().unwrap()) {
        assert!(known.contains(&format!("--{word}").as_str()), "--{word} is none of them");
    }
}
