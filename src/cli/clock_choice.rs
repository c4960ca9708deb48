//! The `--clock` option: which clock the vaults have. Help and completions show its values.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

use crate::clock::Timestamp;
use crate::tasks::ClockChoice;

/// Parses `real`, `virtual` or `virtual=RFC3339`.
#[derive(Clone)]
pub(super) struct ClockParser;

impl TypedValueParser for ClockParser {
    type Value = ClockChoice;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<ClockChoice, clap::Error> {
        parse.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let real = PossibleValue::new("real").help("The machine's");
        let own = PossibleValue::new("virtual").help("Goes on from where it stood; virtual=RFC3339 starts there");
        Some(Box::new([real, own].into_iter()))
    }
}

fn parse(text: &str) -> Result<ClockChoice, String> {
    let start = match text.split_once('=') {
        None if text == "real" => return Ok(ClockChoice::Real),
        None if text == "virtual" => None,
        Some(("virtual", moment)) => Some(Timestamp::parse(moment).ok_or("not a time; write 2030-01-31T00:00:00Z")?),
        _ => return Err("use real, virtual or virtual=2030-01-31T00:00:00Z".to_owned()),
    };
    Ok(ClockChoice::Virtual { start, frozen: None })
}
