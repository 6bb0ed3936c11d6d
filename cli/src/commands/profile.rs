//! `shopctl profile`: servers with their credentials, by name.

use std::io::{self, IsTerminal};
use std::path::Path;

use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::profile::{Profile as Entry, Profiles, parse_name};
use crate::table::{Cell, Table};
use crate::target::{DEV_PROFILE, Environment, TargetArgs, parse_servers};
use crate::token::Token;

/// Keep servers with their tokens, by name
#[derive(Debug, clap::Subcommand)]
pub enum Profile {
    /// Make or replace a profile; its token is read from stdin or --token-file
    ///
    /// The server is the one that --server names. Profiles are kept in ~/.config/shopctl/config.toml, which only
    /// its owner may read; SHOPCTL_CONFIG names another file.
    #[command(after_help = "Example: shopctl profile set prod --server https://shop.example < token.txt")]
    Set {
        #[arg(value_parser = parse_name)]
        name: String,
        /// Use it when no shop is named; the first profile is the default anyway
        #[arg(long)]
        default: bool,
        /// Keep no token: SHOPCTL_TOKEN or --token-file will say it each time
        #[arg(long)]
        no_token: bool,
    },
    /// List the profiles, without their tokens
    List,
    /// Forget a profile and its token
    Remove {
        #[arg(value_parser = parse_name)]
        name: String,
    },
}

impl Profile {
    pub fn run(self, target: &TargetArgs, environment: &Environment, output: &Output) -> Result<(), Failure> {
        let path = environment.config_path()?;
        match self {
            Self::Set { name, default, no_token } => {
                set(path, target, output, New { name, default, no_token })
            }
            Self::List => list(path, environment, output),
            Self::Remove { name } => remove(path, &name, output),
        }
    }
}

struct New {
    name: String,
    default: bool,
    no_token: bool,
}

fn set(path: &Path, target: &TargetArgs, output: &Output, new: New) -> Result<(), Failure> {
    if target.token.is_some() {
        return Err(Failure::Usage(
            "a profile's token is read from stdin or --token-file, not from --token".into(),
        ));
    }
    if target.server.is_empty() {
        return Err(Failure::Usage("`profile set` needs --server URL".into()));
    }
    let mut profiles = Profiles::load(path)?;
    let servers = parse_servers(&target.server)?.iter().map(ToString::to_string).collect();
    let token = match (&target.token_file, new.no_token) {
        (_, true) => None,
        (Some(file), false) => Some(Token::read(file)?),
        (None, false) => Some(ask_for_token()?),
    };
    if new.default || profiles.profiles.is_empty() {
        profiles.default = Some(new.name.clone());
    }
    let entry = Entry { servers, token: token.map(|token| token.reveal().to_owned()) };
    let replaced = profiles.profiles.insert(new.name.clone(), entry).is_some();
    profiles.save(path)?;
    let verb = if replaced { "replaced" } else { "made" };
    output.say(&format!("{verb} profile `{}` in {}", new.name, path.display()));
    Ok(())
}

/// From stdin: typed without an echo on a terminal, otherwise whatever is piped in.
fn ask_for_token() -> Result<Token, Failure> {
    if !io::stdin().is_terminal() {
        return Token::from_reader(io::stdin().lock(), "stdin");
    }
    eprint!("Token (not shown): ");
    let text = console::Term::stderr()
        .read_secure_line()
        .map_err(|error| Failure::Usage(format!("cannot read a token from the terminal: {error}")))?;
    Token::parse(&text, "what you typed")
}

fn list(path: &Path, environment: &Environment, output: &Output) -> Result<(), Failure> {
    let profiles = Profiles::load(path)?;
    let is_default = |name: &str| profiles.default.as_deref() == Some(name);
    if output.is_json() {
        let rows: Vec<_> = profiles
            .profiles
            .iter()
            .map(|(name, entry)| {
                json!({"name": name, "servers": entry.servers, "token": entry.token.is_some(), "default": is_default(name)})
            })
            .collect();
        return output.line(&serde_json::Value::from(rows).to_string());
    }
    let mut table = Table::new(&["NAME", "SERVERS", "TOKEN", "DEFAULT"]);
    for (name, entry) in &profiles.profiles {
        let token = if entry.token.is_some() { "kept" } else { "-" };
        let default = if is_default(name) { "yes" } else { "" };
        let servers = entry.servers.join(" ");
        table.row(vec![Cell::text(name), Cell::text(servers), Cell::text(token), Cell::text(default)]);
    }
    if let Some(dev) = &environment.dev_json
        && !profiles.profiles.contains_key(DEV_PROFILE)
    {
        let from = format!("as in {}", dev.display());
        table.row(vec![Cell::text(DEV_PROFILE), Cell::text(from), Cell::text("there"), Cell::text("")]);
    }
    if table.is_empty() {
        output.say("there are no profiles: make one with `shopctl profile set NAME --server URL`");
        return Ok(());
    }
    output.tables(&[table])
}

fn remove(path: &Path, name: &str, output: &Output) -> Result<(), Failure> {
    let mut profiles = Profiles::load(path)?;
    if profiles.profiles.remove(name).is_none() {
        return Err(Failure::Failed(format!("there is no profile `{name}`")));
    }
    if profiles.default.as_deref() == Some(name) {
        profiles.default = None;
    }
    profiles.save(path)?;
    output.say(&format!("removed profile `{name}`"));
    Ok(())
}
