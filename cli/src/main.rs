//! shopctl: the operator's tool for a shop that runs on shopnode. It speaks the HTTP API and nothing else.

mod client;
mod commands;
mod context;
#[path = "../../packaging/documents.rs"]
mod documents;
mod exit;
mod failure;
mod interrupt;
mod output;
mod paging;
mod problem;
mod profile;
mod retry;
mod table;
mod target;
mod token;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::client::{Client, Settings};
use crate::commands::Noun;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Format, Output};
use crate::target::{Environment, TargetArgs};

/// Operates a shop that runs on shopnode
#[derive(Debug, Parser)]
#[command(
    name = "shopctl",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    subcommand_value_name = "NOUN",
    subcommand_help_heading = "Nouns",
    disable_help_subcommand = true,
    after_help = "Data goes to stdout, talk to stderr.\n\
                  Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not reachable, 4 outcome unknown \
                  (repeat it with the printed --idempotency-key)."
)]
struct Arguments {
    #[command(subcommand)]
    noun: Noun,

    #[command(flatten)]
    target: TargetArgs,

    /// What stdout carries: tables for people, or the API's JSON untouched
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "table",
        hide_possible_values = true
    )]
    output: Format,

    /// How long a request may take, its repetitions included, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    deadline: u64,

    /// Idempotency-Key to send, to repeat a change whose outcome is unknown; a fresh one unless given
    #[arg(long, global = true, value_name = "KEY", value_parser = parse_key)]
    idempotency_key: Option<String>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help that was asked for is data; a wrong usage is talk. A closed stream is nobody's failure.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done.into(),
                _ => Exit::Usage.into(),
            };
        }
    };
    let format = arguments.output;
    match run(arguments) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            let _ = std::io::stderr().lock().write_all(failure.tell(format).as_bytes());
            failure.exit().into()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let output = Output::of_process(arguments.output);
    let environment = Environment::of_process();
    let noun = match arguments.noun {
        // These need no shop.
        Noun::Explain(verb) => return verb.run(&output),
        Noun::Profile(verb) => return verb.run(&arguments.target, &environment, &output),
        Noun::Documents { directory } => {
            return documents::write(&Arguments::command(), "1", &directory)
                .map_err(|error| Failure::Failed(format!("cannot write {}: {error}", directory.display())));
        }
        noun => noun,
    };
    let target = target::resolve(&arguments.target, &environment)?;
    let settings =
        Settings { deadline: Duration::from_secs(arguments.deadline), key: arguments.idempotency_key };
    let interrupt = Interrupt::default();
    let context =
        Context { client: Client::new(target, settings, output, interrupt.clone())?, output, interrupt };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        tokio::select! {
            result = noun.run(&context) => result,
            _ = tokio::signal::ctrl_c() => context.interrupt.end(),
        }
    })
}

/// A key as the header carries it: 1 to 255 visible ASCII characters.
fn parse_key(text: &str) -> Result<String, String> {
    if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 255 visible ASCII characters".into())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// Every page of help, so that a change of it is seen in review.
    #[test]
    fn help_is_as_reviewed() {
        let mut pages = String::new();
        let mut root = Arguments::command();
        root.build();
        collect(&root, vec!["shopctl".into()], &mut pages);
        insta::assert_snapshot!("help", pages);
    }

    fn collect(command: &clap::Command, path: Vec<String>, pages: &mut String) {
        let asked = path.iter().map(String::as_str).chain(["--help"]);
        let help = Arguments::command().term_width(100).try_get_matches_from(asked).unwrap_err();
        pages.push_str(&format!("$ {} --help\n{help}\n", path.join(" ")));
        for verb in command.get_subcommands() {
            collect(verb, [path.as_slice(), &[verb.get_name().to_owned()]].concat(), pages);
        }
    }
}
